"""The words of an upgrade."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from porter.model import Plan, Rule, Target

Kind = Literal["gained", "lost", "moved", "changed"]
Status = Literal["upgraded", "unchanged", "planned"]


@dataclass(frozen=True)
class UpgradeRequest:
    """An upgrade to make.

    Attributes:
        targets: All targets by name; the tree says which is its own.
        pins: Package -> the version to move to.
        origin: ``archive`` or ``git``.
        conflicts: Where files go whose edits by hand cannot be merged; ``<into>.conflicts``
            if None.
    """

    targets: Mapping[str, Target]
    rules: tuple[Rule, ...]
    into: Path
    pins: Mapping[str, str]
    origin: str = "archive"
    mirror: str = ""
    offline: bool = False
    dry_run: bool = False
    conflicts: Path | None = None


@dataclass(frozen=True)
class RuleChange:
    """How what a rule does to a package differs between two ports.

    Attributes:
        details: Places, old and new, or the reason why the rule is lost.
    """

    kind: Kind
    package: str
    rule: str
    details: tuple[str, ...] = ()


@dataclass(frozen=True)
class Conflict:
    """A file whose edits by hand cannot be carried over.

    Attributes:
        path: Relative to the tree.
        markers: The file with both sides, and marks around what differs.
        digests: sha256 of the file as it was ported, as it is, and as the new port has it;
            empty for no file.
    """

    path: str
    reason: str
    markers: bytes
    digests: tuple[str, str, str]


@dataclass(frozen=True)
class Upgraded:
    """What an upgrade came to.

    Attributes:
        before: Package -> version that was ported; likewise ``after``.
        same: How many rules do the same as before, at the same places.
        written: How many files get other bytes, come or go.
        carried: Files whose edits by hand stay, relative to the tree.
        resolved: Those of them that were resolved in the folder of conflicts.
        conflicts: Files whose edits cannot be carried over; nothing is written then.
        folder: Where the conflicts are, or would be.
        finished: Whether a run that was killed had to be finished first.
    """

    status: Status
    target: str
    before: Mapping[str, str]
    after: Mapping[str, str]
    plan: Plan
    rules: tuple[RuleChange, ...]
    same: int
    written: int
    carried: tuple[str, ...] = ()
    resolved: tuple[str, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    folder: Path = field(default_factory=Path)
    finished: bool = False
