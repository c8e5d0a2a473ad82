"""What ``porter fetch`` tells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from porter.model import Pin
from porter.render.blocks import Block, Table, Text

if TYPE_CHECKING:
    from porter.source.cache import Cache
    from porter.source.tree import Tree


def fetched_blocks(
    pins: Sequence[Pin], trees: Sequence[Tree], origin: str, cache: Cache
) -> list[Block]:
    """One row a release, and where they are."""
    rows = tuple(
        (tree.package, tree.version, str(len(tree.paths())), pin.sha256[:16])
        for pin, tree in zip(pins, trees, strict=True)
    )
    headers = ("Package", "Version", "Files", "sha256 of the archive")
    kept = origin in ("archive", "git")
    place = f"Kept in the cache {cache.root}" if kept else f"From the folder {origin}"
    return [Table(headers, rows, right=(2,), styles=((0, "cyan"),)), Text(place)]


def fetched_document(pins: Sequence[Pin], trees: Sequence[Tree], origin: str) -> dict[str, Any]:
    """``porter fetch``.

    Keys: ``from``, ``packages`` (each ``package``, ``version``, ``files``, ``sha256`` of
    the pinned archive, ``tag``, ``commit``; the last may be empty).
    """
    return {
        "from": origin,
        "packages": [
            {
                "package": tree.package,
                "version": tree.version,
                "files": len(tree.paths()),
                "sha256": pin.sha256,
                "tag": pin.tag,
                "commit": pin.commit,
            }
            for pin, tree in zip(pins, trees, strict=True)
        ],
    }
