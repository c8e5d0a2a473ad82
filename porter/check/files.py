"""The promises that can be read off the bytes: of each file, of a second port, of a revert."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from porter.check.model import TREE_INVARIANTS, Result, judged, skipped
from porter.errors import PorterError
from porter.invariants import FILE_INVARIANTS, ChangedFile, violations
from porter.manifest import MANIFEST_DIR, Manifest
from porter.model import Rule, Target
from porter.plan import search, tasks_for
from porter.plan.selection import select_rules
from porter.port.ported import PortedFile
from porter.port.record import recipe_digest
from porter.revert import revert
from porter.source import FolderTree, Tree
from porter.write import read_present


def check_files(
    into: Path, files: Mapping[str, PortedFile], rules: Sequence[Rule], target: Target
) -> list[Result]:
    """The promises about single files, asked of the files as they are now.

    Args:
        files: Path relative to the tree -> the file as porter ported it.
    """
    changed = [
        ChangedFile(file.package, file.path, file.pristine, present, file.edits)
        for path, file in files.items()
        if (present := read_present(into, path)) is not None
    ]
    found = violations(changed, rules, target.device)
    gone = [f"{path}: is no longer there" for path in files if read_present(into, path) is None]
    scope = f"{len(changed)} files"
    results = []
    for name, promise in FILE_INVARIANTS.items():
        broken = [str(violation) for violation in found if violation.invariant == name]
        results.append(judged(name, promise, scope, [*broken, *(gone if name == "names" else ())]))
    return results


def check_once(
    manifest: Manifest, trees: Mapping[str, Tree], rules: Sequence[Rule], target: Target
) -> Result:
    """Whether the rules that made a port find nothing more to do in it.

    Args:
        trees: Package -> the tree as it is now, ported.
    """
    promise = TREE_INVARIANTS["once"]
    if manifest.recipe != recipe_digest(rules, manifest.only, manifest.without):
        return skipped("once", "ported by other rules than today's: run `porter apply` first")
    selected, _ = select_rules(
        rules, target, manifest.pins, only=manifest.only, without=manifest.without
    )
    tasks = list(tasks_for(selected, target, trees))
    found = search(tasks, trees)
    again = [
        f"{edit.package}: {edit.path}: {edit.rule} would edit again at byte {edit.start}"
        for edits in found.edits.values()
        for edit in edits
    ]
    return judged("once", promise, f"{len(selected)} rules", [*found.failures, *again])


def check_revert(
    into: Path,
    manifest: Manifest,
    folders: Mapping[str, FolderTree],
    pristine: Mapping[str, Tree],
) -> Result:
    """Whether a revert, made in a copy, gives the pristine trees.

    Args:
        pristine: Package -> the release where the cache has it, else what porter kept.
    """
    promise = TREE_INVARIANTS["revert"]
    with tempfile.TemporaryDirectory(prefix="porter-check-") as name:
        copy = Path(name) / "tree"
        _copy(into, folders, copy)
        try:
            revert(copy, edits="overwrite")
        except PorterError as error:
            return judged("revert", promise, "", [error.message])
        problems = [
            problem
            for package, tree in pristine.items()
            for problem in _differences(copy, manifest, package, tree, folders[package])
        ]
    count = sum(len(folder.paths()) for folder in folders.values())
    return judged("revert", promise, f"{count} files", problems)


def _copy(into: Path, folders: Mapping[str, FolderTree], copy: Path) -> None:
    """The packages and what porter keeps of them; ``site-packages`` holds much else."""
    for folder in folders.values():
        for path in folder.paths():
            place = copy / folder.root.relative_to(into) / path
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(folder.root / path, place)
    shutil.copytree(into / MANIFEST_DIR, copy / MANIFEST_DIR, ignore=lambda *_: ["lock"])


def _differences(
    copy: Path, manifest: Manifest, package: str, tree: Tree, folder: FolderTree
) -> Iterator[str]:
    known = set(tree.paths())
    touched = {file.path for file in manifest.files if file.package == package}
    for path in sorted({*touched, *folder.paths()}):
        present = read_present(copy, manifest.location(package, path))
        if path in touched:
            wanted = tree.read(path) if path in known else None
        else:
            wanted = folder.read(path)
        if present != wanted:
            yield f"{package}: {path}: " + (
                "is there still" if wanted is None else "is not as upstream has it"
            )
