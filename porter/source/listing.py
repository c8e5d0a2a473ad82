"""Which releases of a package there are: from the index, and from the cache where that is away."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress

from packaging.version import Version

from porter.errors import WriteError
from porter.model import Pin
from porter.source.cache import Cache
from porter.source.index import Index
from porter.source.pins import known_packages, known_pin, known_versions, recorded_pin


def list_releases(package: str, cache: Cache, *, offline: bool = False) -> list[Pin]:
    """The releases of a package with a source archive, oldest first, each with its digest.

    A pinned release has the digest that is pinned, another one that which the index states.
    One without digest is left out. Pre-releases and withdrawn ones are not listed.

    Args:
        offline: Use the list that an earlier run kept, and the pinned releases.

    Raises:
        SourceError: If the index cannot be reached, or does not know the package.
    """
    if offline:
        pins = _kept(package, cache)
    else:
        with Index() as index:
            pins = index.releases(package)
        _keep(package, pins, cache)
    return _with_pinned(package, pins)


def _with_pinned(package: str, pins: Sequence[Pin]) -> list[Pin]:
    found = {Version(pin.version): recorded_pin(package, pin.version) or pin for pin in pins}
    for version in known_versions(package) if package in known_packages() else ():
        found.setdefault(Version(version), known_pin(package, version))
    return [found[version] for version in sorted(found) if found[version].sha256]


def _kept(package: str, cache: Cache) -> list[Pin]:
    try:
        rows = json.loads(cache.listing_path(package).read_text(encoding="utf-8"))
        pins = [Pin(package, str(version), sha256=str(sha256)) for version, sha256 in rows.items()]
        return [pin for pin in pins if Version(pin.version)]
    except (OSError, ValueError, AttributeError):
        return []


def _keep(package: str, pins: Sequence[Pin], cache: Cache) -> None:
    text = json.dumps({pin.version: pin.sha256 for pin in pins}, indent=1)
    path = cache.listing_path(package)
    # A list that cannot be kept is asked for again.
    with suppress(WriteError), cache.lock("releases"), cache.writing():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name("draft")
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
