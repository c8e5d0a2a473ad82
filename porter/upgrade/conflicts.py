"""The folder of conflicts: files with marks to be resolved, and what was made of them.

It lies beside the tree, never in it. ``conflicts.json`` in it says of which bytes each file
was made, so that a resolution is used for exactly the conflict that it resolves.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from porter.errors import TreeStateError, UsageError
from porter.manifest import is_inside
from porter.port.ported import compile_problem
from porter.upgrade.model import Conflict
from porter.write import Content
from porter.write.folder import new_folder
from porter.write.steps import write_files

LIST = "conflicts.json"

_MARK = re.compile(rb"^(<{7}|\|{7}|>{7})( |$)|^={7}\r?$", re.MULTILINE)


def folder_of(into: Path, asked: Path | None) -> Path:
    """Where the conflicts of a tree go.

    Raises:
        UsageError: That is in the tree, or something else is there.
    """
    folder = (asked or into.with_name(f"{into.name}.conflicts")).expanduser().resolve()
    if folder.is_relative_to(into):
        raise UsageError(
            f"--conflicts {folder}: in the ported tree", hint="Name a folder beside it."
        )
    if folder.exists() and not (folder / LIST).is_file():
        raise UsageError(
            f"--conflicts {folder}: there is something already", hint="Name another folder."
        )
    return folder


def write_conflicts(folder: Path, conflicts: Sequence[Conflict]) -> None:
    """Write the files with their marks, unless they are there already and perhaps half resolved.

    Raises:
        TreeStateError: The folder is of another upgrade.
        WriteError: The disk refused.
    """
    if folder.exists():
        return
    listed = {conflict.path: list(conflict.digests) for conflict in conflicts}
    text = json.dumps({"files": listed}, sort_keys=True, indent=2) + "\n"
    with new_folder(folder) as staged:
        files = [Content(conflict.path, conflict.markers) for conflict in conflicts]
        write_files(staged, [*files, Content(LIST, text.encode())])


def resolutions(folder: Path, conflicts: Sequence[Conflict]) -> dict[str, bytes]:
    """Path -> the bytes that somebody made of a conflict, of those that are resolved.

    Raises:
        TreeStateError: The folder is of another upgrade, or a resolution does not compile.
    """
    if not folder.exists():
        return {}
    listed = _listed(folder)
    found: dict[str, bytes] = {}
    for conflict in conflicts:
        if tuple(listed.get(conflict.path, ())) != conflict.digests:
            raise TreeStateError(
                f"{folder} is of another upgrade: {conflict.path} has changed since, or is new",
                hint="Save what you resolved there, remove the folder, and upgrade again.",
            )
        data = _read(folder / conflict.path)
        if data is not None and not _MARK.search(data):
            if problem := compile_problem(conflict.path, data):
                raise TreeStateError(
                    f"{folder / conflict.path} does not compile: {problem}",
                    hint="Correct it, and upgrade again.",
                )
            found[conflict.path] = data
    return found


def remove(folder: Path) -> None:
    """Remove the folder: what was resolved in it is in the tree now."""
    shutil.rmtree(folder, ignore_errors=True)


def _listed(folder: Path) -> dict[str, Any]:
    try:
        files = json.loads((folder / LIST).read_bytes())["files"]
        if all(is_inside(path) for path in files):
            return dict(files)
        raise ValueError("a path leaves the folder")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TreeStateError(
            f"{folder / LIST} is damaged: {error}", hint="Remove the folder, and upgrade again."
        ) from error


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
