"""The ported tree that is handed on, and what is taken of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from porter.errors import TreeStateError, UsageError
from porter.manifest import Manifest, read_manifest
from porter.port.earlier import check_versions, earlier_files, without_replaced
from porter.port.ground import check_whole
from porter.port.ported import PortedFile
from porter.port.pristine import pristine_trees
from porter.source import Tree, find_trees
from porter.write import read_present

_SHOWN = 20


@dataclass(frozen=True)
class Subject:
    """A ported tree.

    Attributes:
        into: Absolute.
        files: Path relative to the tree -> the file as porter ported it.
        edited: Path relative to the tree -> its bytes, of the files edited by hand.
        trees: Package -> its pristine tree.
    """

    into: Path
    manifest: Manifest
    files: Mapping[str, PortedFile]
    edited: Mapping[str, bytes]
    trees: Mapping[str, Tree]


def open_subject(into: Path, packages: Sequence[str] = (), *, keep_edits: bool = False) -> Subject:
    """Read a ported tree that is to be handed on.

    Args:
        packages: Those to take; all that were ported if empty.
        keep_edits: Whether edits made by hand go along.

    Raises:
        TreeStateError: The folder is not ported, is half written, or its files were edited by
            hand and are not to go along.
        UsageError: A package was not ported.
    """
    into = into.expanduser().resolve()
    check_whole(into)
    applied = read_manifest(into)
    if applied is None:
        raise TreeStateError(f"{into} is not ported", hint="`porter apply` ports it.")
    folders = find_trees(into, sorted(applied.packages))
    manifest = without_replaced(into, applied, folders)
    check_versions(into, manifest, folders)
    assert manifest is not None
    files = earlier_files(into, manifest)
    edited = _edited(into, files, keep_edits)
    wanted = set(packages or manifest.packages)
    for package in sorted(wanted - manifest.packages.keys()):
        raise UsageError(
            f"--package {package}: not ported in {into}",
            hint=f"Ported there: {', '.join(manifest.packages)}.",
        )
    return Subject(
        into=into,
        manifest=_narrowed(manifest, wanted),
        files={path: file for path, file in files.items() if file.package in wanted},
        edited={path: data for path, data in edited.items() if files[path].package in wanted},
        trees={
            name: tree
            for name, tree in pristine_trees(into, folders, manifest).items()
            if name in wanted
        },
    )


def _narrowed(manifest: Manifest, wanted: set[str]) -> Manifest:
    files = tuple(file for file in manifest.files if file.package in wanted)
    made = {edit.rule for file in files for edit in file.edits} | {file.rule for file in files}
    return replace(
        manifest,
        packages={name: record for name, record in manifest.packages.items() if name in wanted},
        rules={rule: digest for rule, digest in manifest.rules.items() if rule in made},
        files=files,
    )


def _edited(into: Path, files: Mapping[str, PortedFile], keep: bool) -> dict[str, bytes]:
    present = {path: read_present(into, path) for path in files}
    edited = [path for path, file in sorted(files.items()) if present[path] != file.ported]
    gone = [path for path in edited if present[path] is None]
    if gone or (edited and not keep):
        shown = [f"  {path}" for path in (gone or edited)[:_SHOWN]]
        what = "is no longer there" if gone else "is not as porter left it"
        raise TreeStateError(
            "\n".join([f"{into}: what was ported {what}:", *shown]),
            hint="Port the folder again with `porter apply` first."
            if gone
            else "--keep-edits adds edits made by hand as a last step.",
        )
    return {path: data for path in edited if (data := present[path]) is not None}
