"""The steps by which files of a tree change: staged, journalled, taken, tidied, or undone."""

from __future__ import annotations

import glob
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from porter.errors import TreeStateError
from porter.manifest import MANIFEST_DIR, MANIFEST_PATH, PRISTINE_DIR, digest
from porter.write.durable import flush, fsync, write_atomically
from porter.write.journal import FOLDER, JOURNAL_PATH, Journal, Step
from porter.write.refusal import HALF_WRITTEN, refusals

STAGED_DIR = f"{MANIFEST_DIR}/staged"
UNDO_DIR = f"{MANIFEST_DIR}/undo"

_PLAIN_MODE = 0o666
_BINARY = getattr(os, "O_BINARY", 0)


@dataclass(frozen=True)
class Change:
    """One file of a tree that gets other bytes; None stands for no file.

    Attributes:
        path: Relative to the tree, POSIX.
        before: What is there now. If it is not when the writing begins, nothing is written.
        mode: Permission bits of a file that comes, or that has to come back; one that is
            there keeps its own.
    """

    path: str
    before: bytes | None
    after: bytes | None
    mode: int | None = None


@dataclass(frozen=True)
class Content:
    """One file to write where there is none.

    Attributes:
        path: Relative to the tree, POSIX.
        mode: Permission bits, which the user's umask narrows.
    """

    path: str
    data: bytes
    mode: int = _PLAIN_MODE


def read_present(into: Path, path: str) -> bytes | None:
    """The bytes of a file as it is now, or None if there is no such file.

    Raises:
        TreeStateError: There is something, but it cannot be read.
    """
    try:
        return (into / path).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise TreeStateError(
            f"{into / path} cannot be read: {error.strerror}",
            hint="Make it a file that you may read, then run the command again.",
        ) from error


def write_files(root: Path, files: Iterable[Content]) -> list[str]:
    """Write new files, and return them with the folders they are in."""
    # Plain strings and descriptors: for 2,300 files, paths and streams take as long again.
    written: dict[str, None] = {}
    for file in files:
        path = f"{root}{os.sep}{file.path}"
        folder = path.rpartition("/")[0] or str(root)
        if folder not in written:
            Path(folder).mkdir(parents=True, exist_ok=True)
        _write_file(path, file.data, file.mode)
        written[folder] = written[path] = None
    return list(written)


def _write_file(path: str, data: bytes, mode: int) -> None:
    # The mode is given to open() and not set afterwards, so that the umask counts.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _BINARY, mode)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    finally:
        os.close(descriptor)


def write_kept(into: Path, kept: Mapping[str, bytes]) -> None:
    """Keep pristine bytes, under their sha256, unless they are kept already."""
    paths = {f"{PRISTINE_DIR}/{name}": data for name, data in kept.items()}
    missing = (path for path, data in paths.items() if read_present(into, path) != data)
    write_files(into, (Content(path, paths[path]) for path in missing))


def stage(into: Path, folder: str, changes: Iterable[Change]) -> list[Step]:
    """Write the new bytes of each change into a folder, and say what to do with them."""
    (into / folder).mkdir(parents=True, exist_ok=True)
    return [_stage_one(into, f"{folder}/{n}", change) for n, change in enumerate(changes)]


def commit(into: Path, journal: Journal) -> None:
    """Write the journal, once all it speaks of is on the disk.

    From here on a run that is killed is finished, not forgotten.
    """
    flush(into, (into / MANIFEST_DIR).rglob("*"))
    draft = into / STAGED_DIR / "journal"
    write_atomically(into / JOURNAL_PATH, journal.to_json().encode(), draft)


def take(into: Path, steps: Iterable[Step]) -> None:
    """Do what is not yet done. A file that somebody edited meanwhile is left alone."""
    for step in steps:
        if step.after == FOLDER:
            _take_folder(into, step)
        elif _digest(read_present(into, step.path)) == step.before:
            _take_file(into, step)


def tidy(into: Path, journal: Journal) -> None:
    """Remove what is of no use once all steps are taken, the journal last."""
    flush(into, {(into / step.path).parent for step in journal.steps})
    remove_empty(into / folder for folder in sorted(journal.folders, key=len, reverse=True))
    clear(into)
    for path in list((into / PRISTINE_DIR).glob("*")):
        if path.name not in journal.kept:
            path.unlink()
    remove_empty([into / PRISTINE_DIR])
    if journal.leave:
        (into / MANIFEST_PATH).unlink(missing_ok=True)
    (into / JOURNAL_PATH).unlink(missing_ok=True)
    if (into / MANIFEST_DIR).exists():
        fsync(into / MANIFEST_DIR)


def clear(into: Path) -> None:
    """Remove staged files, such as a run leaves that was killed before its journal was written."""
    for folder in (STAGED_DIR, UNDO_DIR):
        shutil.rmtree(into / folder, ignore_errors=True)


def is_tidy(into: Path) -> bool:
    """Whether no run has left anything for ``tidy``."""
    leftovers = [JOURNAL_PATH, STAGED_DIR, UNDO_DIR]
    if not (into / MANIFEST_PATH).exists():
        leftovers.append(PRISTINE_DIR)
    return not any((into / path).exists() for path in leftovers)


def remove_empty(folders: Iterable[Path]) -> None:
    """Remove the folders that are empty."""
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()


@contextmanager
def all_or_nothing(into: Path, prepare: Callable[[], Journal]) -> Iterator[None]:
    """Put everything back if the block does not get to its end.

    Args:
        prepare: Stages the old files, and returns the steps that put them back and the
            folders that are to go.

    Raises:
        WriteError: The disk refuses to put it back; the journal is still there.
    """
    clear(into)
    kept = tuple(path.name for path in (into / PRISTINE_DIR).glob("*"))
    leave = not (into / MANIFEST_PATH).exists()
    try:
        yield
    except BaseException:
        with refusals(into, HALF_WRITTEN):
            back = Journal((), kept=kept, leave=leave)
            if (into / JOURNAL_PATH).exists():
                back = replace(prepare(), kept=kept, leave=leave)
                # It takes the other journal's place in one rename: a run that is killed while
                # it goes back is finished backwards.
                commit(into, back)
                take(into, back.steps)
            tidy(into, back)
        raise


def _stage_one(into: Path, staged: str, change: Change) -> Step:
    before, after = _digest(change.before), _digest(change.after)
    if change.after is None:
        return Step(change.path, "", before, after)
    mode = _PLAIN_MODE if change.mode is None else change.mode
    write_files(into, [Content(staged, change.after, mode)])
    with suppress(FileNotFoundError, NotADirectoryError):
        _take_after(into / staged, (into / change.path).stat())
    return Step(change.path, staged, before, after)


def _take_after(path: Path, model: os.stat_result) -> None:
    """Give a new file the mode and the owner of the one it replaces, and a later time."""
    own = path.stat()
    if (own.st_uid, own.st_gid) != (model.st_uid, model.st_gid):
        with suppress(PermissionError):
            os.chown(path, model.st_uid, model.st_gid)
    path.chmod(stat.S_IMODE(model.st_mode))
    # Python takes a compiled file for fresh if the source's second and size are the ones it was
    # compiled at, and `.cuda()` is as long as `.sdaa()`.
    if int(own.st_mtime) <= int(model.st_mtime):
        os.utime(path, (own.st_atime, int(model.st_mtime) + 1))


def _take_folder(into: Path, step: Step) -> None:
    if (into / step.staged).exists():
        (into / step.staged).replace(into / step.path)


def _take_file(into: Path, step: Step) -> None:
    target = into / step.path
    if step.staged:
        target.parent.mkdir(parents=True, exist_ok=True)
        (into / step.staged).replace(target)
    else:
        target.unlink(missing_ok=True)
        _remove_compiled(target)


def _remove_compiled(source: Path) -> None:
    """Remove what Python compiled of a file that is no more, so that its folder can go."""
    cache = source.parent / "__pycache__"
    for compiled in cache.glob(f"{glob.escape(source.stem)}.*.pyc"):
        compiled.unlink(missing_ok=True)
    remove_empty([cache])


def _digest(data: bytes | None) -> str:
    return "" if data is None else digest(data)
