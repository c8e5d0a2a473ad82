"""``porter check`` on a small ported tree: what holds, and what breaks each promise."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from porter.check.files import check_revert
from porter.check.model import TREE_INVARIANTS, Result
from porter.check.run import Checked, check
from porter.errors import TargetFileError, TreeStateError
from porter.invariants import FILE_INVARIANTS
from porter.manifest import MANIFEST_PATH, read_manifest
from porter.source import find_trees
from tests.helpers import MemoryTree
from tests.world import DEVICE, ROI, RULES, World, make_world


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = make_world(tmp_path, monkeypatch)
    made.apply()
    return made


def checked(world: World, **values: object) -> Checked:
    targets = {world.target.name: world.target}
    return check(world.into, targets, world.rules, world.cache, python=None, **values)  # type: ignore[arg-type]


def states(found: Checked) -> dict[str, str]:
    return {result.name: result.state for result in found.results}


def result(found: Checked, name: str) -> Result:
    return next(one for one in found.results if one.name == name)


def test_a_fresh_port_keeps_every_promise_and_is_not_touched(world: World) -> None:
    before = world.files()
    found = checked(world)
    assert found.broken == 0
    assert list(states(found)) == [*FILE_INVARIANTS, *TREE_INVARIANTS]
    ran = {"imports", "behaviour", "device"}
    assert {name for name, state in states(found).items() if state == "skipped"} == ran
    assert world.files() == before


@pytest.mark.parametrize(
    ("path", "old", "new", "broken"),
    [
        (f"mmcv/{ROI}", b"def roi(x):", b"def roi():", "parameters"),
        (f"mmcv/{ROI}", b"def roi(x):", b"def other(x):", "names"),
        (f"mmcv/{ROI}", b"def roi(x):", b"def roi(x)", "compiles"),
        (f"mmcv/{ROI}", b"x.clone()", b"x", "once"),
        (f"mmengine/{DEVICE}", b"DEVICE = 'sdaa'", b"OTHER = 'sdaa'", "names"),
    ],
    ids=["a parameter is lost", "a function is gone", "it does not compile", "an edit is undone", "a constant is gone"],
)  # fmt: skip
def test_a_tree_that_breaks_a_promise(
    world: World, path: str, old: bytes, new: bytes, broken: str
) -> None:
    world.edit(path, old, new)
    found = checked(world)
    assert result(found, broken).state == "broken"
    assert path.partition("/")[2] in "".join(result(found, broken).problems)


def test_other_rules_than_those_that_ported_it_are_not_asked(world: World) -> None:
    world.rules = RULES[:2]
    once = result(checked(world), "once")
    assert (once.state, once.reason[:20]) == ("skipped", "ported by other rule")


def test_a_revert_that_is_not_exact(world: World) -> None:
    manifest = read_manifest(world.into)
    assert manifest is not None
    folders = find_trees(world.into, ["mmcv"])
    other = {"mmcv": MemoryTree("mmcv", "2.1.0", {ROI: "another release\n"})}
    found = check_revert(
        world.into, manifest, {**find_trees(world.into, list(manifest.packages))}, other
    )
    assert found.problems == (f"mmcv: {ROI}: is not as upstream has it",)
    assert folders["mmcv"].read(ROI).endswith(b"x.clone())\n")


def test_edits_by_hand_that_keep_all_promises_are_no_problem(world: World) -> None:
    world.edit(f"mmcv/{ROI}", b"x.clone()", b"x.clone().mine()")
    world.edit("mmengine/mmengine/untouched.py", b"value = 1", b"value = 2")
    assert checked(world).broken == 0


def test_a_tree_that_cannot_be_asked(world: World) -> None:
    with pytest.raises(TargetFileError, match="'sdaa', a target that is not known"):
        check(world.into, {}, RULES, world.cache, python=None)
    world.revert()
    with pytest.raises(TreeStateError, match="is not ported"):
        checked(world)


def test_a_damaged_manifest_is_an_error(world: World) -> None:
    path = world.into / MANIFEST_PATH
    text = json.loads(path.read_text())
    text["files"][0]["after"] = "0" * 64
    path.write_text(json.dumps(text))
    with pytest.raises(TreeStateError, match="damaged"):
        checked(world)
