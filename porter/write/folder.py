"""A new folder that is there whole, or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from porter.errors import TreeStateError
from porter.write.durable import flush, fsync
from porter.write.lock import staged_tree, tree_lock
from porter.write.refusal import AS_IT_WAS, refusals


@contextmanager
def new_folder(place: Path) -> Iterator[Path]:
    """A folder to fill, which comes to its place when the block ends well.

    Args:
        place: Absolute; nothing is there yet.

    Raises:
        WriteError: The disk refused; nothing is at the place.
        TreeStateError: Another porter is at work there, or something has come there meanwhile.
    """
    with tree_lock(place):
        folder = staged_tree(place)
        try:
            with refusals(place, AS_IT_WAS):
                folder.mkdir(parents=True)
                yield folder
                flush(folder, folder.rglob("*"))
                if place.exists():
                    raise TreeStateError(f"{place} has just been made by somebody else")
                folder.rename(place)
                fsync(place.parent)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
