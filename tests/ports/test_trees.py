"""Ports of the real releases as trees: fresh, in place, in site-packages, and undone."""

from __future__ import annotations

from pathlib import Path

import pytest

from porter.apply import Request, apply, revert
from porter.manifest import MANIFEST_DIR
from porter.model import Target
from porter.port.state import inspect
from porter.source import Cache, Tree, fetch, known_pin
from tests.helpers import all_rules, all_targets
from tests.world import Snapshot, snapshot

pytestmark = pytest.mark.upstream

TARGETS = ("sdaa", "npu", "bi_v150")


@pytest.fixture(scope="module", params=TARGETS)
def target(request: pytest.FixtureRequest) -> Target:
    return all_targets()[request.param]


@pytest.fixture(scope="module")
def releases(target: Target, upstream_cache: Path) -> list[Tree]:
    pins = [known_pin(package, version) for package, version in target.pins["default"].items()]
    return fetch(pins, Cache(upstream_cache))


def port(target: Target, into: Path, upstream_cache: Path) -> str:
    request = Request(target, tuple(all_rules()), into, offline=True)
    return apply(request, Cache(upstream_cache)).status


def write_releases(into: Path, releases: list[Tree], *, installed: bool) -> Snapshot:
    """Write the packages as an sdist has them, or as a wheel installs them."""
    for tree in releases:
        for path in tree.paths():
            place = into / path if installed else into / tree.package / path
            if not installed or path.startswith(f"{tree.package}/"):
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(tree.read(path))
                place.chmod(tree.mode(path))
    return snapshot(into)


def test_a_fresh_port_and_one_in_place_are_the_same_and_are_undone(
    target: Target, releases: list[Tree], upstream_cache: Path, tmp_path: Path
) -> None:
    fresh, present = tmp_path / "fresh", tmp_path / "present"
    before = write_releases(present, releases, installed=False)
    assert port(target, fresh, upstream_cache) == "ported"
    assert port(target, present, upstream_cache) == "ported"
    ported = snapshot(fresh)
    assert snapshot(present) == ported
    assert port(target, fresh, upstream_cache) == "unchanged"
    assert snapshot(fresh) == ported
    revert(fresh)
    revert(present)
    assert snapshot(fresh) == snapshot(present) == before


def test_site_packages_are_ported_and_every_byte_restored(
    target: Target, releases: list[Tree], upstream_cache: Path, tmp_path: Path
) -> None:
    into = tmp_path / "site-packages"
    before = write_releases(into, releases, installed=True)
    assert port(target, into, upstream_cache) == "ported"
    found = inspect(into, all_rules(), packages=[tree.package for tree in releases])
    assert {package.state for package in found.packages} == {"ported"}
    assert not found.stale
    ported = snapshot(into)
    changed = {
        path for path in ported.keys() | before.keys() if ported.get(path) != before.get(path)
    }
    assert found.manifest is not None
    assert {path for path in changed if not path.startswith(MANIFEST_DIR)} == set(
        found.manifest.by_location
    )
    revert(into)
    assert snapshot(into) == before
