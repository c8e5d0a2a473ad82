"""Put upstream's bytes back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from porter.errors import TreeStateError
from porter.manifest import MANIFEST_PATH, Manifest, read_manifest
from porter.port.changes import EditPolicy, all_versions, decide
from porter.port.earlier import earlier_files, without_replaced
from porter.source import find_trees
from porter.write import Change, change_tree, read_present, recover
from porter.write.lock import tree_lock


@dataclass(frozen=True)
class RevertOutcome:
    """What a revert came to; paths are relative to the tree.

    Attributes:
        target: What the tree was ported to; empty if a revert that was killed was finished.
        restored: Files that have upstream's bytes again.
        removed: Files that the port had added.
        merged: Files whose edits by hand stay.
        finished: Whether a run that was killed had to be finished first.
    """

    target: str
    restored: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    merged: tuple[str, ...] = ()
    finished: bool = False


def revert(into: Path, *, edits: EditPolicy = "refuse") -> RevertOutcome:
    """Undo a port: restore every byte, remove the files it added and its own folder.

    Args:
        edits: What to do about files that were edited by hand since the port.

    Raises:
        TreeStateError: The folder is not ported, or edits could be lost.
        WriteError: The disk refused; the tree is as it was.
    """
    into = into.expanduser().resolve()
    if not into.is_dir():
        raise _not_ported(into)
    with tree_lock(into):
        finished = recover(into)
        applied = read_manifest(into)
        if applied:
            return _revert(into, applied, edits, finished)
        if finished:
            return RevertOutcome("", finished=True)
        raise _not_ported(into)


def _not_ported(into: Path) -> TreeStateError:
    return TreeStateError(f"{into} is not ported", hint="There is nothing to revert.")


def _revert(into: Path, applied: Manifest, edits: EditPolicy, finished: bool) -> RevertOutcome:
    manifest = without_replaced(into, applied, find_trees(into, sorted(applied.packages)))
    files = earlier_files(into, manifest)
    versions = all_versions(into, files, {})
    decision = decide(into, versions, edits, "edited by hand since the port")
    last = Change(MANIFEST_PATH, read_present(into, MANIFEST_PATH), None)
    change_tree(into, (*decision.changes, last), kept={}, folders=applied.folders, leave=True)
    changed = {change.path for change in decision.changes}
    added = {path for path, file in files.items() if file.pristine is None}
    return RevertOutcome(
        target=applied.target,
        restored=tuple(sorted(changed - added)),
        removed=tuple(sorted(changed & added)),
        merged=decision.merged,
        finished=finished,
    )
