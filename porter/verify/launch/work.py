"""Folders that the processes of one verification write to, deleted when it is over."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from porter.source import Cache


@contextmanager
def work_folder(cache: Cache, keep: Path | None = None) -> Iterator[Path]:
    """A folder in the cache for the block.

    What a killed porter left is deleted first: the name holds the number of its process.

    Args:
        keep: Where to move the folder afterwards, also after an error; None to delete it.

    Raises:
        WriteError: If the cache cannot be written.
    """
    root = cache.root / "work"
    with cache.writing():
        root.mkdir(parents=True, exist_ok=True)
        _sweep(root)
        folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=root))
    try:
        yield folder
    finally:
        if keep is not None:
            _move(folder, keep)
        shutil.rmtree(folder, ignore_errors=True)


def _move(folder: Path, keep: Path) -> None:
    shutil.rmtree(keep, ignore_errors=True)
    keep.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(folder, keep)


def _sweep(root: Path) -> None:
    for folder in root.iterdir():
        process = folder.name.partition("-")[0]
        if process.isdecimal() and not _is_alive(int(process)):
            shutil.rmtree(folder, ignore_errors=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True
