"""Which bytes each file gets: the new port's, with the edits by hand carried over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from porter.manifest import Manifest, digest
from porter.port.changes import Versions
from porter.port.merge import marked, merge
from porter.port.ported import PortedFile, compile_problem
from porter.upgrade.ground import Ground
from porter.upgrade.model import Conflict
from porter.write import Change, read_present


@dataclass
class Carried:
    """What is to be written.

    Attributes:
        wanted: Path -> the file's versions and the bytes that it is to get.
        merged: The files with edits by hand that stay.
        files: Path -> versions, of the files in conflict.
    """

    wanted: dict[str, tuple[Versions, bytes | None]] = field(default_factory=dict)
    merged: list[str] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)
    files: dict[str, Versions] = field(default_factory=dict)

    def resolved(self, conflict: Conflict, data: bytes) -> None:
        """Take what somebody made of a conflict."""
        self.wanted[conflict.path] = self.files[conflict.path], data
        self.merged.append(conflict.path)


def carry(files: Iterable[Versions]) -> Carried:
    """Merge what was edited by hand with the new port; gather what cannot be merged."""
    found = Carried()
    for file in files:
        if not file.edited:
            found.wanted[file.path] = file, file.wanted
            continue
        try:
            merged = _merged(file)
        except ValueError as problem:
            found.conflicts.append(_conflict(file, str(problem)))
            found.files[file.path] = file
        else:
            found.wanted[file.path] = file, merged
            found.merged.append(file.path)
    return found


def file_versions(
    ground: Ground, manifest: Manifest, ported: Mapping[str, PortedFile]
) -> Iterator[Versions]:
    """The versions of every file that either port touches, or that a moving package has.

    Args:
        manifest: The new one.
        ported: Path relative to the tree -> a file as the new port has it.
    """
    old, new = _bytes_before(ground), _bytes_after(ground, manifest, ported)
    for path in sorted(old.keys() | new.keys()):
        pristine, before = old.get(path, (None, None))
        present = read_present(ground.into, path)
        yield Versions(path, pristine, before, present, new.get(path))


def changes(carried: Carried, ground: Ground, manifest: Manifest) -> list[Change]:
    """The changes to make, in the order of the paths."""
    modes = _modes(ground, manifest)
    return [
        Change(path, file.present, wanted, modes.get(path))
        for path, (file, wanted) in sorted(carried.wanted.items())
        if file.present != wanted
    ]


def emptied_folders(made: Iterable[Change]) -> set[str]:
    """Every folder that a file goes from; those that end up empty go too."""
    gone = {change.path for change in made if change.after is None}
    return {str(folder) for path in gone for folder in PurePosixPath(path).parents} - {"."}


def _bytes_before(ground: Ground) -> dict[str, tuple[bytes | None, bytes | None]]:
    """Path -> the pristine bytes, and those of the earlier port."""
    found: dict[str, tuple[bytes | None, bytes | None]] = {}
    for package, tree in ground.old.items():
        for path in tree.paths():
            data = tree.read(path)
            found[ground.manifest.location(package, path)] = data, data
    for place, file in ground.files.items():
        found[place] = file.pristine, file.ported
    return found


def _bytes_after(
    ground: Ground, manifest: Manifest, ported: Mapping[str, PortedFile]
) -> dict[str, bytes | None]:
    found: dict[str, bytes | None] = {
        # A file that only the earlier port touched gets upstream's bytes again.
        place: file.pristine
        for place, file in ground.files.items()
        if file.package not in ground.old
    }
    for package in ground.old:
        tree = ground.new[package]
        found |= {manifest.location(package, path): tree.read(path) for path in tree.paths()}
    return found | {place: file.ported for place, file in ported.items()}


def _modes(ground: Ground, manifest: Manifest) -> dict[str, int]:
    """The permission bits that upstream gives the files of the packages that move."""
    found: dict[str, int] = {}
    for package, old in ground.old.items():
        for tree in (old, ground.new[package]):
            found |= {manifest.location(package, path): tree.mode(path) for path in tree.paths()}
    return found


def _merged(file: Versions) -> bytes | None:
    merged = merge(file.ported, file.present, file.wanted)
    if merged not in (None, file.present, file.wanted):
        problem = compile_problem(file.path, merged or b"")
        if problem:
            raise ValueError(f"merged, it does not compile: {problem}")
    return merged


def _conflict(file: Versions, reason: str) -> Conflict:
    sides = (file.ported, file.present, file.wanted)
    base, ours, theirs = ("" if side is None else digest(side) for side in sides)
    return Conflict(file.path, reason, marked(*sides), (base, ours, theirs))
