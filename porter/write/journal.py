"""The journal of a change to a tree: what the next run needs to finish a killed one.

It is written once everything it speaks of is on the disk, and removed once all of its
steps are done. A step says what the file was and what it becomes, so doing it twice
does no harm.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from porter.errors import TreeStateError
from porter.manifest import MANIFEST_DIR, is_inside

JOURNAL_PATH = f"{MANIFEST_DIR}/journal.json"
FOLDER = "folder"
"""Stands for a hash in a step that moves a whole folder into place."""


@dataclass(frozen=True)
class Step:
    """One file or folder that comes to a place, or a file that goes.

    Paths are relative to the tree.

    Attributes:
        staged: Where the new file or folder waits; empty if the file goes.
        before: sha256 of the file that was there; empty if there was none.
        after: sha256 of the file that comes; empty if none does; ``FOLDER``.
    """

    path: str
    staged: str
    before: str
    after: str


@dataclass(frozen=True)
class Journal:
    """All steps of one change, in order.

    Attributes:
        folders: Folders to remove at the end if they are empty, deepest first.
        kept: Names in the folder of kept pristine bytes that stay; others go.
        leave: Whether porter's own folder goes at the end: the tree is not ported then.
    """

    steps: tuple[Step, ...]
    folders: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    leave: bool = False

    def to_json(self) -> str:
        """Canonical JSON."""
        return json.dumps(asdict(self), sort_keys=True, indent=2) + "\n"


def read_journal(into: Path) -> Journal | None:
    """The journal that a killed run left in a tree, or None.

    Raises:
        TreeStateError: There is one, but it cannot be read.
    """
    path = into / JOURNAL_PATH
    try:
        return _decoded(json.loads(path.read_bytes()))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise TreeStateError(
            f"{path} is damaged: {error}",
            hint="Put the upstream packages back into the folder and delete its .porter.",
        ) from error


def _decoded(raw: dict[str, Any]) -> Journal:
    journal = Journal(
        steps=tuple(Step(**step) for step in raw["steps"]),
        folders=tuple(raw["folders"]),
        kept=tuple(raw["kept"]),
        leave=bool(raw["leave"]),
    )
    for path in _paths(journal):
        if not is_inside(path):
            raise ValueError(f"the path {path!r} leaves the folder")
    return journal


def _paths(journal: Journal) -> Iterable[str]:
    for step in journal.steps:
        yield from (step.path, *([step.staged] if step.staged else []))
    yield from (*journal.folders, *journal.kept)
