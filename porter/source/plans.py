"""The cache's shelf of plans: texts by name, each under the digest of what it holds.

A plan that cannot be kept is made anew the next time, so nothing here is an error.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

from porter.errors import WriteError
from porter.source.cache import Cache

MOST_KEPT = 32
"""How many plans are kept; one takes about 100 kB."""


def read_plan(cache: Cache, name: str) -> str | None:
    """The text that was kept under a name; None if there is none, or it is damaged."""
    try:
        seal, _, data = cache.plan_path(name).read_bytes().partition(b"\n")
        return data.decode("utf-8") if seal == _seal(data) else None
    except (OSError, UnicodeDecodeError):
        return None


def write_plan(cache: Cache, name: str, text: str) -> None:
    """Keep a text under a name, and drop the oldest ones; a cache that is read-only stays so."""
    path, data = cache.plan_path(name), text.encode("utf-8")
    with suppress(WriteError), cache.lock("plans"), cache.writing():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name("draft")
        draft.write_bytes(_seal(data) + b"\n" + data)
        draft.replace(path)
        _drop_oldest(path.parent)


def _drop_oldest(folder: Path) -> None:
    plans = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for path in plans[MOST_KEPT:]:
        path.unlink()


def _seal(data: bytes) -> bytes:
    return hashlib.sha256(data).hexdigest().encode()
