"""The table of contents of an export."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from porter.errors import UsageError
from porter.export.forms import WRITERS, Form
from porter.export.series import Step, steps
from porter.export.subject import Subject, open_subject
from porter.model import Rule
from porter.write.folder import new_folder


@dataclass(frozen=True)
class Exported:
    """What was handed on.

    Attributes:
        out: The new folder.
    """

    subject: Subject
    form: Form
    out: Path
    steps: tuple[Step, ...]


def export(
    into: Path,
    out: Path,
    form: Form,
    rules: Sequence[Rule],
    *,
    packages: Sequence[str] = (),
    keep_edits: bool = False,
) -> Exported:
    """Write a ported tree as patches, as a git branch, or as its changed files.

    Args:
        out: A folder that is not there yet. It comes whole, or not at all.
        rules: The catalog, for reasons.
        packages: Those to hand on; all that were ported if empty.
        keep_edits: Whether edits made by hand go along, as a last step.

    Raises:
        TreeStateError: The folder is not ported, or was edited by hand.
        UsageError: ``out`` is there already, or a package was not ported.
        SourceError: git is needed and is not there.
        WriteError: The disk refused.
    """
    subject = open_subject(into, packages, keep_edits=keep_edits)
    place = out.expanduser().absolute()
    if place.exists() or place.is_symlink():
        raise UsageError(f"--out {out}: there is something already", hint="Name a new folder.")
    made = tuple(steps(subject, rules))
    with new_folder(place) as folder:
        WRITERS[form](folder, subject, made)
    return Exported(subject, form, out, made)
