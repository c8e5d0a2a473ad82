"""The only writer of a tree. Whatever happens, no file is ever found half written.

A folder that does not exist is staged beside it and renamed into place. A folder that
exists gets its new files by a journal: they are staged under ``.porter``, brought to the
disk, written down in the journal, and renamed over the old ones one by one. A run that
is killed leaves the old tree, the new one, or the journal, by which ``recover`` goes on.
A run that the disk refuses goes back, by a journal as well.

Whoever calls holds the tree's lock.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from porter.errors import TreeStateError
from porter.manifest import MANIFEST_PATH, PRISTINE_DIR, read_manifest
from porter.write.durable import flush, fsync
from porter.write.journal import FOLDER, JOURNAL_PATH, Journal, Step, read_journal
from porter.write.lock import staged_tree
from porter.write.refusal import AS_IT_WAS, HALF_WRITTEN, WRITTEN, refusals
from porter.write.steps import (
    STAGED_DIR,
    UNDO_DIR,
    Change,
    Content,
    all_or_nothing,
    commit,
    is_tidy,
    read_present,
    stage,
    take,
    tidy,
    write_files,
    write_kept,
)

__all__ = ["Change", "Content", "change_tree", "is_vacant", "read_present", "recover", "write_tree"]


def write_tree(
    into: Path, files: Iterable[Content], manifest: bytes, kept: Mapping[str, bytes]
) -> None:
    """Write a whole tree into a folder that is missing or vacant.

    Args:
        into: Absolute.
        files: Every file of every package.
        manifest: The manifest's bytes.
        kept: sha256 -> pristine bytes, of the files that the port changed.

    Raises:
        WriteError: The disk refused; the folder is as it was.
        TreeStateError: Something has come into the folder meanwhile.
    """
    with refusals(into, AS_IT_WAS):
        if into.exists():
            _fill_folder(into, files, manifest, kept)
        else:
            _make_folder(into, files, manifest, kept)


def change_tree(
    into: Path,
    changes: Sequence[Change],
    *,
    kept: Mapping[str, bytes],
    folders: Sequence[str] = (),
    leave: bool = False,
) -> None:
    """Give files of an existing tree other bytes: all of them, or none.

    Args:
        into: Absolute.
        changes: In the order of writing; the manifest's comes last.
        kept: sha256 -> pristine bytes to keep; others are no longer kept.
        folders: Folders to remove if they end up empty, relative to the tree.
        leave: Whether porter's own folder goes too: the tree is pristine again.

    Raises:
        WriteError: The disk refused. The tree is as it was, or the message says otherwise.
        TreeStateError: A file has been changed meanwhile.
    """
    with refusals(into, AS_IT_WAS):
        _check_still(into, changes)
        made = _missing_folders(into, changes)

        def back() -> Journal:
            return Journal(tuple(stage(into, UNDO_DIR, _inverse(changes))), made)

        with all_or_nothing(into, back):
            steps = tuple(stage(into, STAGED_DIR, changes))
            write_kept(into, kept)
            journal = Journal(steps, tuple(folders), tuple(sorted(kept)), leave)
            commit(into, journal)
            take(into, journal.steps)
        with refusals(into, WRITTEN):
            tidy(into, journal)


def recover(into: Path) -> bool:
    """Finish what a killed run began, or remove what it left if it had changed nothing yet.

    A file that somebody edited since is left alone; it then counts as edited by hand.

    Returns:
        Whether there was something to finish.

    Raises:
        WriteError: The disk refused; the journal is still there.
        TreeStateError: The journal is damaged.
    """
    if is_tidy(into):
        return False
    with refusals(into, HALF_WRITTEN):
        journal = read_journal(into)
        if journal is not None:
            take(into, journal.steps)
        tidy(into, journal or _journal_of_nothing(into))
    return journal is not None


def is_vacant(into: Path) -> bool:
    """Whether a folder is missing or holds nothing but hidden files, such as ``.gitkeep``."""
    if read_present(into, MANIFEST_PATH) is not None or (into / JOURNAL_PATH).exists():
        return False
    return not into.exists() or all(entry.name.startswith(".") for entry in into.iterdir())


def _make_folder(
    into: Path, files: Iterable[Content], manifest: bytes, kept: Mapping[str, bytes]
) -> None:
    tree = staged_tree(into)
    try:
        written = write_files(tree, files)
        written += write_files(tree, _own_files(manifest, kept))
        flush(tree, written)
        _check_vacant(into)
        tree.rename(into)
        fsync(into.parent)
    finally:
        shutil.rmtree(tree, ignore_errors=True)


def _journal_of_nothing(into: Path) -> Journal:
    """What tidies up after a run that was killed before it wrote its journal."""
    manifest = read_manifest(into)
    if manifest is None:
        return Journal((), leave=True)
    return Journal((), kept=tuple(file.before for file in manifest.files if not file.added))


def _own_files(manifest: bytes, kept: Mapping[str, bytes]) -> Iterator[Content]:
    yield from (Content(f"{PRISTINE_DIR}/{name}", data) for name, data in kept.items())
    yield Content(MANIFEST_PATH, manifest)


def _fill_folder(
    into: Path, files: Iterable[Content], manifest: bytes, kept: Mapping[str, bytes]
) -> None:
    # The folder itself stays: it may be a mount point, or the shell's working folder.
    _check_vacant(into)
    moves: list[Step] = []

    def back() -> Journal:
        return Journal(tuple(Step(step.staged, step.path, "", FOLDER) for step in moves))

    with all_or_nothing(into, back):
        write_files(into / STAGED_DIR, files)
        names = sorted(entry.name for entry in (into / STAGED_DIR).iterdir())
        moves += [Step(name, f"{STAGED_DIR}/{name}", "", FOLDER) for name in names]
        last = stage(into, STAGED_DIR, [Change(MANIFEST_PATH, None, manifest)])
        write_kept(into, kept)
        journal = Journal((*moves, *last), kept=tuple(sorted(kept)))
        commit(into, journal)
        take(into, journal.steps)
    with refusals(into, WRITTEN):
        tidy(into, journal)


def _check_vacant(into: Path) -> None:
    if not is_vacant(into):
        raise _changed_meanwhile(into)


def _check_still(into: Path, changes: Iterable[Change]) -> None:
    changed = any(read_present(into, change.path) != change.before for change in changes)
    if changed or (into / JOURNAL_PATH).exists():
        raise _changed_meanwhile(into)


def _changed_meanwhile(into: Path) -> TreeStateError:
    return TreeStateError(
        f"{into} was changed by somebody else while porter was at work; nothing was written",
        hint="Run the command again.",
    )


def _inverse(changes: Sequence[Change]) -> list[Change]:
    return [Change(c.path, c.after, c.before, c.mode) for c in reversed(changes)]


def _missing_folders(into: Path, changes: Iterable[Change]) -> tuple[str, ...]:
    """The folders that the changes make, relative to the tree."""
    parents = {folder for change in changes for folder in PurePosixPath(change.path).parents}
    return tuple(str(folder) for folder in parents if not (into / folder).exists())
