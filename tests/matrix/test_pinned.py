"""The ranges that the rules state, against what the rules find in every pinned release."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
from packaging.version import Version

from porter.matrix.model import STATES, Cell, Grid
from porter.matrix.run import make_grid
from porter.source import Cache, known_pin, known_versions
from tests.helpers import all_rules, all_targets

pytestmark = [pytest.mark.upstream, pytest.mark.slow]

PAGE = Path(__file__).parents[2] / "docs" / "matrix.md"
#: One of each kind: all rules of a chip unknown upstream, one that upstream knows, and CUDA's own.
TARGETS = ("sdaa", "npu", "bi_v150")
PACKAGES = ("mmengine", "mmcv", "mmdet")


@cache
def grid(target: str, package: str, root: Path) -> Grid:
    pins = [known_pin(package, version) for version in known_versions(package)]
    return make_grid(all_rules(), all_targets()[target], package, pins, Cache(root), offline=True)


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("target", TARGETS)
def test_a_rule_holds_in_every_version_that_it_states(
    target: str, package: str, upstream_cache: Path
) -> None:
    found = grid(target, package, upstream_cache)
    assert [(cell.rule, cell.version, cell.notes) for cell in found.broken] == []


def page_rows(target: str, package: str) -> dict[str, list[str]]:
    """Rule -> the cells of its row, in the page's table of a package for a target."""
    text = PAGE.read_text(encoding="utf-8")
    found = re.search(rf"^## {package} [^\n]* for {target}:(.*?)(?=^## |\Z)", text, re.M | re.S)
    assert found, f"{PAGE.name} has no table of {package} for {target}: run `make matrix`"
    rows = [line.split("|")[1:-1] for line in found[1].splitlines() if line.startswith("| ")]
    return {row[0].strip(): [cell.strip() for cell in row[1:]] for row in rows[1:]}


def has(cell: str, version: str) -> bool:
    """Whether a cell of the page, such as ``0.8.0-0.9.1, 0.10.3``, holds a version."""
    for run in filter(None, cell.split(", ")):
        first, _, last = run.partition("-")
        if Version(first) <= Version(version) <= Version(last or first):
            return True
    return False


COLUMNS = {
    "applies": 1, "native": 2, "absent": 3, "would": 4, "unlike": 5, "fails": 6, "conflicts": 6
}  # fmt: skip


def wrong(row: list[str], cell: Cell) -> bool:
    return not has(row[COLUMNS[cell.state]], cell.version)


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("target", ["sdaa", "npu"])
def test_the_page_says_of_the_pinned_releases_what_is_so(
    target: str, package: str, upstream_cache: Path
) -> None:
    rows = page_rows(target, package)
    assert set(COLUMNS) == set(STATES)
    oldest = {"mmengine": "0.8", "mmcv": "2.0", "mmdet": "3.0"}[package]
    found = grid(target, package, upstream_cache)
    stale = [
        f"{rule} {cell.version}: {cell.state}"
        for rule, cells in found.cells.items()
        for cell in cells
        if Version(cell.version) >= Version(oldest)
        if rule not in rows or wrong(rows[rule], cell)
    ]
    assert stale == [], "docs/matrix.md is out of date: run `make matrix`"
