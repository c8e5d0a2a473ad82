"""How a folder stands: what of it is ported, edited by hand or half written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from porter.manifest import FileRecord, Manifest, digest, read_manifest
from porter.model import Rule
from porter.port.earlier import without_replaced
from porter.port.record import recipe_digest
from porter.source import FolderTree, Tree, find_trees, known_packages
from porter.source.compare import differences
from porter.source.pins import same_version
from porter.write import read_present
from porter.write.journal import Journal, read_journal

State = Literal["clean", "ported", "hand-edited", "half-written", "absent"]


@dataclass(frozen=True)
class PackageState:
    """How one package stands. Paths are relative to the folder.

    Attributes:
        state: ``half-written`` if a run was killed, or if files that were ported are as
            upstream has them, as when the package was installed anew.
        version: As the package's files say; empty if it is absent.
        ported: The files that are as the port left them.
        edited: The files that were edited by hand; of a package that is not ported, those
            that differ from the release.
        unfinished: The files that still are to be changed, or to be changed again.
    """

    package: str
    state: State
    version: str = ""
    ported: tuple[str, ...] = ()
    edited: tuple[str, ...] = ()
    unfinished: tuple[str, ...] = ()


@dataclass(frozen=True)
class TreeState:
    """How a folder stands.

    Attributes:
        packages: Sorted by name.
        manifest: What was applied; None if nothing was.
        interrupted: Whether a run was killed; the next ``apply`` or ``revert`` finishes it.
        stale: Whether it was ported by other rules than those asked about, or by another
            porter; ``apply`` would plan anew.
        stale_rules: Ids of the rules behind edits that have changed since, or are gone.
    """

    packages: tuple[PackageState, ...]
    manifest: Manifest | None = None
    interrupted: bool = False
    stale: bool = False
    stale_rules: tuple[str, ...] = ()


def inspect(
    into: Path,
    rules: Sequence[Rule] | None = None,
    *,
    packages: Sequence[str] = (),
    releases: Mapping[str, Tree] | None = None,
) -> TreeState:
    """Look at a folder. Nothing is written, not even to finish a killed run.

    Args:
        rules: Today's rules, to tell whether the port is stale; None for not asking.
        packages: The packages to tell about; those that porter knows if empty.
        releases: Package -> its pristine release; where one is given, a package that is
            not ported is compared with it.

    Raises:
        TreeStateError: The manifest, the journal or a version cannot be read.
    """
    into = into.expanduser().resolve()
    applied, journal = read_manifest(into), read_journal(into)
    names = {*(packages or known_packages()), *(applied.packages if applied else ())}
    folders = find_trees(into, sorted(names))
    manifest = without_replaced(into, applied, folders)
    changed_rules = _changed_rules(applied, rules) if applied and rules is not None else ()
    return TreeState(
        packages=tuple(
            _look(into, name, folders.get(name), manifest, journal, releases or {})
            for name in sorted(names)
        ),
        manifest=applied,
        interrupted=journal is not None,
        stale=applied is not None and rules is not None and _is_stale(applied, rules),
        stale_rules=tuple(changed_rules),
    )


def _look(
    into: Path,
    package: str,
    folder: FolderTree | None,
    manifest: Manifest | None,
    journal: Journal | None,
    releases: Mapping[str, Tree],
) -> PackageState:
    pending = _pending(package, journal)
    if folder is None:
        state: State = "half-written" if pending else "absent"
        return PackageState(package, state, unfinished=pending)
    if pending:
        return PackageState(package, "half-written", folder.version, unfinished=pending)
    if manifest and _is_standing(folder, manifest):
        return _ported(into, folder, manifest)
    return _unported(into, folder, releases.get(package))


def _is_standing(folder: FolderTree, manifest: Manifest) -> bool:
    """Whether a package is ported, and not installed in another version since."""
    record = manifest.packages.get(folder.package)
    changed = any(f.package == folder.package and not f.added for f in manifest.files)
    return record is not None and (changed or same_version(record.version, folder.version))


def _pending(package: str, journal: Journal | None) -> tuple[str, ...]:
    """The files, or the whole folder, that a killed run was to write."""
    steps = journal.steps if journal else ()
    return tuple(step.path for step in steps if PurePosixPath(step.path).parts[0] == package)


def _unported(into: Path, folder: FolderTree, release: Tree | None) -> PackageState:
    changed = differences(folder, release) if release else []
    if folder.only:
        # A wheel leaves the release's setup.py behind.
        changed = [path for path in changed if path.startswith(f"{folder.only}/")]
    root = folder.root.relative_to(into)
    return PackageState(
        package=folder.package,
        state="hand-edited" if changed else "clean",
        version=folder.version,
        edited=tuple((root / path).as_posix() for path in changed),
    )


def _ported(into: Path, folder: FolderTree, manifest: Manifest) -> PackageState:
    found: dict[State, list[str]] = {"ported": [], "hand-edited": [], "half-written": []}
    for path, record in manifest.by_location.items():
        if record.package == folder.package:
            found[_file_state(into, path, record)].append(path)
    worst: Sequence[State] = ("hand-edited", "half-written", "ported")
    return PackageState(
        package=folder.package,
        state=next((state for state in worst if found[state]), "ported"),
        version=folder.version,
        ported=tuple(found["ported"]),
        edited=tuple(found["hand-edited"]),
        unfinished=tuple(found["half-written"]),
    )


def _file_state(into: Path, path: str, record: FileRecord) -> State:
    present = read_present(into, path)
    sha256 = "" if present is None else digest(present)
    if sha256 == record.after:
        return "ported"
    return "half-written" if sha256 == record.before else "hand-edited"


def _is_stale(manifest: Manifest, rules: Sequence[Rule]) -> bool:
    return manifest.recipe != recipe_digest(rules, manifest.only, manifest.without)


def _changed_rules(manifest: Manifest, rules: Sequence[Rule]) -> list[str]:
    today = {rule.id: rule.digest for rule in rules}
    return [rule for rule, digest in manifest.rules.items() if today.get(rule) != digest]
