"""What a manifest says of a plan: lines, digests, folders."""

from __future__ import annotations

import pytest

from porter.manifest import PackageRecord, digest
from porter.model import Edit, NewFile, Plan
from porter.port.ported import ported_files
from porter.port.record import make_manifest, recipe_digest
from tests.helpers import MemoryTree
from tests.world import DEVICE_RULE, ROI_RULE

TEXT = b"one\ntwo\nthree\nfour\n"
PACKAGES = {"mmcv": PackageRecord("2.1.0", "mmcv", "folder")}


def _plan(edits: tuple[Edit, ...] = (), new_files: tuple[NewFile, ...] = ()) -> Plan:
    return Plan("sdaa", "d", {"mmcv": "2.1.0"}, edits, new_files, (), {"mmcv/r": "e"})


def _edit(start: int, end: int, new: bytes) -> Edit:
    return Edit("mmcv", "mmcv/a.py", start, end, new, "mmcv/r")


@pytest.mark.parametrize(
    ("edits", "lines"),
    [
        pytest.param([(4, 7, b"2")], [(2, 2)], id="within a line"),
        pytest.param([(4, 7, b"2\n2\n2")], [(2, 4)], id="one line becomes three"),
        pytest.param([(4, 4, b"new\n")], [(2, 2)], id="a line in front of another"),
        pytest.param([(7, 7, b"\nnew")], [(3, 3)], id="a line after another's end"),
        pytest.param([(4, 8, b"")], [(2, 2)], id="a line taken away"),
        pytest.param([(0, 0, b"a\nb\n"), (8, 13, b"3")], [(1, 2), (5, 5)], id="the second is shifted"),
        pytest.param([(19, 19, b"end\n")], [(5, 5)], id="at the end of the file"),
        pytest.param([(4, 4, b"x"), (4, 4, b"\ny")], [(2, 2), (3, 3)], id="two at one place"),
    ],
)  # fmt: skip
def test_the_lines_of_an_edit_are_those_of_the_ported_file(
    edits: list[tuple[int, int, bytes]], lines: list[tuple[int, int]]
) -> None:
    tree = MemoryTree("mmcv", "2.1.0", {"mmcv/a.py": TEXT})
    plan = _plan(tuple(_edit(*edit) for edit in edits))
    files = ported_files(plan, lambda _package, path: tree.read(path))
    manifest = make_manifest(plan, files, {"mmcv": tree}, PACKAGES, "recipe")
    (record,) = manifest.files
    assert sorted((e.first_line, e.last_line) for e in record.edits) == lines
    assert (record.before, record.after) == (digest(TEXT), digest(files[0].ported))
    assert manifest.to_plan() == plan


def test_the_folders_that_a_port_makes_are_those_upstream_has_nothing_in() -> None:
    tree = MemoryTree("mmcv", "2.1.0", {"mmcv/ops/a.py": ""})
    paths = ("mmcv/ops/new.py", "mmcv/chip/one/new.py", "mmcv/chip/two.py")
    plan = _plan(new_files=tuple(NewFile("mmcv", path, b"", "mmcv/r") for path in paths))
    files = ported_files(plan, lambda _package, path: tree.read(path))
    manifest = make_manifest(plan, files, {"mmcv": tree}, PACKAGES, "recipe")
    assert manifest.folders == ("mmcv/mmcv/chip", "mmcv/mmcv/chip/one")


def test_the_recipe_depends_on_rules_selection_and_porter(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = (DEVICE_RULE, ROI_RULE)
    first = recipe_digest(rules)
    assert recipe_digest(rules[::-1]) == first
    others = [
        recipe_digest(rules[:1]),
        recipe_digest(rules, only=("mmcv/roi",)),
        recipe_digest(rules, without=("mmcv/roi",)),
    ]
    monkeypatch.setattr("porter.port.record.__version__", "99")
    others.append(recipe_digest(rules))
    assert len({first, *others}) == 5
