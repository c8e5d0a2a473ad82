"""What all tests share."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest
from hypothesis import settings

# A busy machine is no failure. The rest is as Hypothesis has it, in CI and elsewhere.
settings.register_profile("porter", deadline=None)
settings.load_profile("porter")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without torch the tests that are marked for it are skipped, unless all are to be run."""
    if importlib.util.find_spec("torch") is None and not os.environ.get("PORTER_TEST_ALL"):
        skip = pytest.mark.skip(reason="torch is not installed")
        for item in items:
            if item.get_closest_marker("torch"):
                item.add_marker(skip)


@pytest.fixture(autouse=True)
def _quiet_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's own settings change no test."""
    for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def upstream_cache() -> Path:
    """The cache of pinned upstream archives that tests share, filled when first needed."""
    from porter.source.cache import Cache

    return Path(os.environ.get("PORTER_TEST_CACHE") or Cache().root)
