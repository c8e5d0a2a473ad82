"""A plan that was applied, as a manifest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from porter import __version__
from porter.manifest import EditRecord, FileRecord, Manifest, PackageRecord, digest
from porter.model import Edit, Plan, Rule
from porter.port.ported import PortedFile
from porter.source import Tree


def make_manifest(
    plan: Plan,
    files: Iterable[PortedFile],
    trees: Mapping[str, Tree],
    packages: Mapping[str, PackageRecord],
    recipe: str,
    only: Sequence[str] = (),
    without: Sequence[str] = (),
) -> Manifest:
    """The manifest of a plan.

    Args:
        files: What the plan makes of the trees.
        trees: Package -> its pristine tree.
        packages: Package -> where it is and what vouches for it.
        recipe: See ``recipe_digest``.
        only: Rules asked for with ``--rule``; likewise ``without``.
    """
    files = list(files)
    return Manifest(
        target=plan.target,
        target_digest=plan.target_digest,
        recipe=recipe,
        only=tuple(sorted(only)),
        without=tuple(sorted(without)),
        packages=dict(sorted(packages.items())),
        rules=dict(sorted(plan.rule_digests.items())),
        files=tuple(_record(file) for file in files),
        folders=tuple(sorted(_made_folders(files, trees, packages))),
        skips=plan.skips,
    )


def recipe_digest(
    rules: Iterable[Rule], only: Sequence[str] = (), without: Sequence[str] = ()
) -> str:
    """sha256 over what decides a plan, apart from target and trees.

    porter's version is in it, since a later porter may find other places by the same rules.
    """
    parts = [
        __version__,
        sorted((rule.id, rule.digest) for rule in rules),
        sorted(only),
        sorted(without),
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _record(file: PortedFile) -> FileRecord:
    if file.pristine is None:
        return FileRecord(
            file.package, file.path, "", digest(file.ported), content=file.ported, rule=file.rule
        )
    return FileRecord(
        package=file.package,
        path=file.path,
        before=digest(file.pristine),
        after=digest(file.ported),
        edits=tuple(_edit_records(file.pristine, file.ported, file.edits)),
    )


def _edit_records(pristine: bytes, ported: bytes, edits: Sequence[Edit]) -> Iterable[EditRecord]:
    shift = 0
    for edit in edits:
        first, last = _lines(ported, edit.start + shift, edit.new)
        yield EditRecord(edit.start, edit.end, edit.new, edit.rule, edit.operation, first, last)
        shift += len(edit.new) - (edit.end - edit.start)


def _lines(ported: bytes, start: int, new: bytes) -> tuple[int, int]:
    """First and last line of the text that an edit put at an offset of the ported file.

    Line ends around the text are not counted: they belong to the lines beside it.
    """
    text = new.strip(b"\r\n")
    start += len(new) - len(new.lstrip(b"\r\n")) if text else 0
    first = ported.count(b"\n", 0, start) + 1
    return first, first + text.count(b"\n")


def _made_folders(
    files: Iterable[PortedFile], trees: Mapping[str, Tree], packages: Mapping[str, PackageRecord]
) -> Iterator[str]:
    """The folders of added files in which upstream has nothing, relative to the tree."""
    added = [file for file in files if file.pristine is None]
    for package in {file.package for file in added}:
        upstream = _folders(trees[package].paths())
        own = _folders(file.path for file in added if file.package == package)
        root = PurePosixPath(packages[package].folder)
        yield from (str(root / folder) for folder in own - upstream)


def _folders(paths: Iterable[str]) -> set[str]:
    """Every folder that a path is in, up to the root, which is empty."""
    found: set[str] = set()
    for path in paths:
        folder = path.rpartition("/")[0]
        while folder not in found:
            found.add(folder)
            folder = folder.rpartition("/")[0]
    return found
