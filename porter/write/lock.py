"""One porter at a time in one folder."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from porter.errors import TreeStateError
from porter.manifest import MANIFEST_DIR
from porter.write.refusal import AS_IT_WAS, refusals
from porter.write.steps import remove_empty

LOCK_NAME = "lock"

_READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)


@contextmanager
def tree_lock(into: Path) -> Iterator[None]:
    """Keep other porters away from a tree while the block runs.

    Where the folder may not be written, the block runs without a lock: it may find that
    there is nothing to write, and if there is, it is refused then.

    Args:
        into: Absolute. If it does not exist, the lock is beside it, and so are the folders
            above; they are removed again if the block does not make it.

    Raises:
        TreeStateError: Another porter is at work there.
        WriteError: The disk refused.
    """
    missing = [folder for folder in into.parents if not folder.exists()]
    with ExitStack() as stack:
        stack.callback(remove_empty, missing)
        with refusals(into, AS_IT_WAS):
            if not into.exists() or beside(into).exists():
                _try_lock(stack, beside(into), into)
                shutil.rmtree(staged_tree(into), ignore_errors=True)
            if into.exists():
                _try_lock(stack, into / MANIFEST_DIR, into)
        yield


def beside(into: Path) -> Path:
    """Porter's own folder for a tree that does not exist yet."""
    return into.with_name(f".{into.name}.porter")


def staged_tree(into: Path) -> Path:
    """Where a tree is staged that does not exist yet."""
    return beside(into) / "tree"


def _try_lock(stack: ExitStack, folder: Path, into: Path) -> None:
    try:
        stack.enter_context(_locked(folder, into))
    except OSError as error:
        if error.errno not in _READ_ONLY or _is_writable(folder):
            raise


def _is_writable(folder: Path) -> bool:
    nearest = folder if folder.exists() else folder.parent
    return os.access(nearest, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


@contextmanager
def _locked(folder: Path, into: Path) -> Iterator[None]:
    """Hold the lock in a folder, which is made if it is missing.

    The lock file goes at the end, and the folder with it if nothing else is in it. That is
    safe: it is removed while it is held, and whoever waits for a removed file notices that
    it has no name any more.
    """
    # Imported here: it takes 60 ms, and most commands lock nothing.
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK_NAME, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise TreeStateError(
            f"another porter is at work on {into}",
            hint="Wait until it has ended, then run the command again.",
        ) from error
    except BaseException:
        remove_empty([folder])
        raise
    try:
        yield
    finally:
        try:
            with suppress(OSError):
                (folder / LOCK_NAME).unlink()
            remove_empty([folder])
        finally:
            lock.release()
