"""Which files of a tree get which bytes, with nobody's edits lost on the way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from porter.errors import TreeStateError
from porter.port.merge import merge
from porter.port.ported import PortedFile, compile_problem
from porter.write import Change, read_present

EditPolicy = Literal["refuse", "keep", "overwrite"]
Status = Literal["ported", "unchanged", "planned"]

_SHOWN = 20
_HINT = "--keep-edits merges them with the port, --overwrite-edits replaces them."


@dataclass(frozen=True)
class Versions:
    """The bytes that one file has, had, and is to have; None stands for no file.

    Attributes:
        path: Relative to the tree.
        pristine: As upstream has it.
        ported: As porter last wrote it; the pristine bytes if it never did.
        present: As it is.
        wanted: As it is to be.
    """

    path: str
    pristine: bytes | None
    ported: bytes | None
    present: bytes | None
    wanted: bytes | None

    @property
    def edited(self) -> bool:
        """Whether the file holds something that is nowhere else, so that it could be lost."""
        return self.present not in (self.ported, self.pristine, self.wanted)


@dataclass(frozen=True)
class Decision:
    """What is to be written.

    Attributes:
        merged: The files with edits by hand that stay, relative to the tree.
        whole: Whether all of a tree is, of which none is there yet.
    """

    changes: tuple[Change, ...]
    merged: tuple[str, ...]
    whole: bool = False

    def status(self, dry_run: bool, finished: bool) -> Status:
        """What came of it.

        Args:
            finished: Whether a run that was killed was finished before.
        """
        if self.whole or self.changes:
            return "planned" if dry_run else "ported"
        return "ported" if finished else "unchanged"


def all_versions(
    into: Path, before: Mapping[str, PortedFile], after: Mapping[str, PortedFile]
) -> list[Versions]:
    """The versions of every file that an earlier port touched or a new one is to touch.

    Args:
        before: Path relative to the tree -> the file as the earlier port wrote it.
        after: Likewise, as the new port has it.
    """
    return [
        _versions(path, before.get(path), after.get(path), read_present(into, path))
        for path in sorted(before.keys() | after.keys())
    ]


def decide(into: Path, files: Iterable[Versions], policy: EditPolicy, edited: str) -> Decision:
    """What to write, if edits by hand are treated as the policy says.

    Args:
        edited: What to say of the files that were edited, such as "edited by hand".

    Raises:
        TreeStateError: There are such edits and the policy is ``refuse``; or they cannot
            be merged. Names every file.
    """
    files = list(files)
    if policy == "refuse":
        _refuse(into, [file.path for file in files if file.edited], edited, _HINT)
    kept = _merged([file for file in files if file.edited], into) if policy == "keep" else {}
    wanted = {file.path: kept.get(file.path, file.wanted) for file in files}
    return Decision(
        changes=tuple(
            Change(file.path, file.present, wanted[file.path])
            for file in files
            if file.present != wanted[file.path]
        ),
        merged=tuple(sorted(kept)),
    )


def _versions(
    path: str, before: PortedFile | None, after: PortedFile | None, present: bytes | None
) -> Versions:
    known = after or before
    pristine = known.pristine if known else None
    return Versions(
        path=path,
        pristine=pristine,
        ported=before.ported if before else pristine,
        present=present,
        wanted=after.ported if after else pristine,
    )


def _merged(files: Iterable[Versions], into: Path) -> dict[str, bytes | None]:
    merged: dict[str, bytes | None] = {}
    conflicts: list[str] = []
    for file in files:
        try:
            merged[file.path] = _merge(file)
        except ValueError as problem:
            conflicts.append(f"{file.path}: {problem}")
    _refuse(
        into,
        conflicts,
        "edited by hand where the port edits too",
        "Undo these edits or move them elsewhere; --overwrite-edits drops them.",
    )
    return merged


def _merge(file: Versions) -> bytes | None:
    merged = merge(file.ported, file.present, file.wanted)
    if merged not in (None, file.present) and (problem := _compiles(file.path, merged)):
        raise ValueError(f"merged, it does not compile: {problem}")
    return merged


def _compiles(path: str, data: bytes | None) -> str:
    return compile_problem(path, data or b"")


def _refuse(into: Path, paths: list[str], edited: str, hint: str) -> None:
    if not paths:
        return
    shown = [f"  {path}" for path in paths[:_SHOWN]]
    if len(paths) > _SHOWN:
        shown.append(f"  and {len(paths) - _SHOWN} more")
    count = "1 file" if len(paths) == 1 else f"{len(paths)} files"
    raise TreeStateError("\n".join([f"{count} in {into} {edited}:", *shown]), hint=hint)
