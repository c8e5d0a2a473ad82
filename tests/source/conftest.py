from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from porter.source import Cache

from .helpers import RELEASE, Server, make_archive, serving


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    """An empty cache."""
    return Cache(tmp_path / "cache")


@pytest.fixture(scope="session")
def archive() -> bytes:
    """The source archive of the release that the tests use."""
    return make_archive(RELEASE, level=0)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A package index that porter is configured with."""
    with serving() as running:
        monkeypatch.setenv("PIP_INDEX_URL", f"{running.url}/simple")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield running
