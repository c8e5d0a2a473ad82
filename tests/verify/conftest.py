"""What the tests that really train share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from porter.source import Cache
from tests.verify.world import World, once_a_process, training_python


@pytest.fixture(scope="session")
def world(upstream_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Ported trees and what verifies them; the trees are shared by all workers of a session."""
    own = tmp_path_factory.getbasetemp()
    session = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    root = own.parent / f"trees-{session[:8]}" if session else own / "trees"
    root.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PORTER_CACHE", str(upstream_cache))
        once_a_process(patch)
        yield World(Cache(upstream_cache), root, training_python())
