"""The real releases, from the package index that this machine is configured with."""

from __future__ import annotations

import ast

import pytest

from porter.source import Cache, Tree, fetch, known_packages, known_pin, known_versions

RELEASES = [
    (package, version) for package in known_packages() for version in known_versions(package)
]

pytestmark = pytest.mark.upstream


@pytest.fixture(params=RELEASES, ids=["-".join(release) for release in RELEASES], scope="module")
def tree(request: pytest.FixtureRequest) -> Tree:
    """A release, fetched into this user's cache, where it stays for the next time."""
    return fetch([known_pin(*request.param)], Cache())[0]


def test_a_release_says_that_it_is_the_one_pinned(tree: Tree) -> None:
    module = ast.parse(tree.read(f"{tree.package}/version.py"))
    values = [node.value for node in module.body if isinstance(node, ast.Assign)]
    assert tree.version in [value.value for value in values if isinstance(value, ast.Constant)]


def test_every_file_of_a_release_can_be_read(tree: Tree) -> None:
    paths = tree.paths()
    assert "setup.py" in paths
    assert len(paths) > 100
    assert sum(len(tree.read(path)) for path in paths) > 1_000_000
    assert {tree.mode(path) for path in paths} <= {0o644, 0o755}
