"""Bytes that survive a crash of the machine, not only of porter."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable
from pathlib import Path


def flush(folder: Path, files: Iterable[Path | str]) -> None:
    """Bring everything written under ``folder`` to the disk.

    An ``fsync`` of each of the 2,300 files of a fresh tree takes as long as the whole
    port. ``syncfs`` writes them in one go (1.0 s against 0.03 s on an SSD with ext4). It
    touches one file system only: ``os.sync`` would wait for all, and a cluster's dead
    network mount would hang the port. Where there is no ``syncfs``, each file is synced.

    Args:
        folder: Any folder of the file system that ``files`` are on.
        files: What was written, folders included.

    Raises:
        OSError: The disk refused.
    """
    if not _syncfs(folder):
        for file in files:
            fsync(Path(file))


def fsync(path: Path) -> None:
    """Bring one file, or the names in one folder, to the disk."""
    if os.name == "nt" and path.is_dir():
        return  # Windows has no handle of a folder that could be synced.
    descriptor = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomically(path: Path, data: bytes, draft: Path) -> None:
    """Write a small file so that a reader finds all of it or none, even after a crash.

    Args:
        draft: Where to write it first, on the same file system.
    """
    draft.write_bytes(data)
    fsync(draft)
    draft.replace(path)
    fsync(path.parent)


def _syncfs(folder: Path) -> bool:
    """Whether the system has ``syncfs``, in which case it was called."""
    try:
        library = ctypes.CDLL(None, use_errno=True)
        call = library.syncfs
    except (OSError, TypeError, AttributeError):
        return False
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if call(descriptor) == 0:
            return True
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(descriptor)
