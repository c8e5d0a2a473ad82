"""The tree of errors a user can meet.

Every error carries its subject in the message, says what to do about it, and has
an exit code of its own, so that scripts can tell a bad rule from a full disk.

    PorterError
    ├── UsageError            2   an option's value is wrong
    ├── RuleFileError         3   a rule file cannot be used
    ├── TargetFileError       4   a target file cannot be used, or there is none of that name
    ├── PlanError             5   a selected rule does not hold on this tree
    ├── SourceError           6   pristine bytes cannot be had
    ├── TreeStateError        7   the folder is not in a state that allows the command
    ├── WriteError            8   the disk refused
    ├── UnsupportedVersion    9   no pin, or no rule, for this version
    ├── CaseFailure          10   a rule's own cases fail
    ├── UpgradeConflict      11   edits by hand cannot be carried over to a newer upstream
    ├── PromiseBroken        12   a ported tree breaks a promise of every port
    └── CouldNotRun          22   what a run needs is missing: a compiler, a device, torch

Codes 20 and 21 belong to ``porter verify``: fail and inconclusive.
"""

from __future__ import annotations

from collections.abc import Sequence


class PorterError(Exception):
    """A problem to show the user in one message, without a traceback.

    Args:
        message: What is wrong, naming the file, rule or option.
        hint: What to do about it, one sentence; shown on a line of its own.
    """

    exit_code = 1
    title = "error"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(PorterError):
    """An option has a value that cannot be used."""

    exit_code = 2
    title = "bad option"


class RuleFileError(PorterError):
    """A rule file is malformed, or says something that cannot hold."""

    exit_code = 3
    title = "bad rule"


class TargetFileError(PorterError):
    """A target file is malformed, or no target has the name asked for."""

    exit_code = 4
    title = "bad target"


class PlanError(PorterError):
    """Selected rules that do not hold on a tree: all of them, not the first.

    Args:
        failures: One message a failure, each naming rule and file.
    """

    exit_code = 5
    title = "the plan does not hold"

    def __init__(self, failures: Sequence[str], *, hint: str = "") -> None:
        super().__init__("\n".join(failures), hint=hint)
        self.failures = tuple(failures)


class SourceError(PorterError):
    """Pristine upstream bytes cannot be had, or are not the pinned ones."""

    exit_code = 6
    title = "no pristine source"


class TreeStateError(PorterError):
    """The folder is in a state in which the command would lose something."""

    exit_code = 7
    title = "the tree is not ready"


class WriteError(PorterError):
    """The operating system refused a write; the tree is as it was."""

    exit_code = 8
    title = "cannot write"


class UnsupportedVersion(PorterError):
    """A package version that no pin or no rule covers."""

    exit_code = 9
    title = "unsupported version"


class CaseFailure(PorterError):
    """At least one case of a rule fails."""

    exit_code = 10
    title = "rule cases fail"


class UpgradeConflict(PorterError):
    """Edits by hand that cannot be carried over; nothing of the tree was written."""

    exit_code = 11
    title = "edits by hand conflict"


class PromiseBroken(PorterError):
    """A ported tree breaks a promise of every port."""

    exit_code = 12
    title = "a promise is broken"


class CouldNotRun(PorterError):
    """What a run needs is not there, so there is nothing to judge."""

    exit_code = 22
    title = "could not run"
