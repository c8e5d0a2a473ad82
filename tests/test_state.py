"""How a folder stands."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from porter.errors import TreeStateError
from porter.manifest import MANIFEST_PATH
from porter.port.pristine import open_pristine
from porter.port.state import State, inspect
from porter.write.journal import Journal
from porter.write.steps import STAGED_DIR, Change, commit, stage
from tests.helpers import MemoryTree
from tests.world import DEVICE, PROBE, ROI, RULES, SCRIPT, World, make_world, release, replaced

VENDOR_DEVICE = f"mmengine/{DEVICE}"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return make_world(tmp_path, monkeypatch)


def states(world: World) -> dict[str, State]:
    return {package.package: package.state for package in inspect(world.into).packages}


def test_what_is_not_there_is_absent(world: World) -> None:
    assert states(world) == {"mmcv": "absent", "mmdet": "absent", "mmengine": "absent"}
    world.check_out("mmcv")
    assert states(world) == {"mmcv": "clean", "mmdet": "absent", "mmengine": "absent"}


def test_a_ported_tree_says_what_is_ported(world: World) -> None:
    world.apply()
    found = inspect(world.into)
    assert {package.state for package in found.packages} == {"ported"}
    assert [package.version for package in found.packages] == ["2.1.0", "3.3.0", "0.10.5"]
    assert [package.ported for package in found.packages] == [
        (f"mmcv/{ROI}",),
        (f"mmdet/{SCRIPT}",),
        (f"mmengine/{PROBE}", VENDOR_DEVICE),
    ]
    assert found.manifest is not None
    assert not found.interrupted


@pytest.mark.parametrize(
    ("damage", "state", "edited", "unfinished"),
    [
        pytest.param(lambda path: path.write_bytes(b"mine\n"), "hand-edited", True, False, id="edited"),
        pytest.param(lambda path: path.unlink(), "hand-edited", True, False, id="deleted"),
        pytest.param(
            lambda path: path.write_bytes(release("mmengine")[DEVICE]),
            "half-written", False, True, id="as upstream has it",
        ),
    ],
)  # fmt: skip
def test_a_ported_file_that_changed_since_is_named(
    damage: object, state: State, edited: bool, unfinished: bool, world: World
) -> None:
    world.apply()
    assert callable(damage)
    damage(world.into / VENDOR_DEVICE)
    (found,) = (p for p in inspect(world.into).packages if p.package == "mmengine")
    assert found.state == state
    assert found.ported == (f"mmengine/{PROBE}",)
    assert found.edited == ((VENDOR_DEVICE,) if edited else ())
    assert found.unfinished == ((VENDOR_DEVICE,) if unfinished else ())


def test_a_killed_run_is_told_and_not_finished(world: World) -> None:
    world.check_out()
    path = f"mmcv/{ROI}"
    change = Change(path, world.read(path), b"new\n")
    commit(world.into, Journal(tuple(stage(world.into, STAGED_DIR, [change]))))
    before = world.files()
    found = inspect(world.into)
    assert found.interrupted
    assert [(p.package, p.state, p.unfinished) for p in found.packages] == [
        ("mmcv", "half-written", (path,)),
        ("mmdet", "clean", ()),
        ("mmengine", "clean", ()),
    ]
    assert world.files() == before
    with pytest.raises(TreeStateError, match="half written"):
        world.apply(dry_run=True)


def test_other_rules_make_a_port_stale(world: World) -> None:
    world.apply()
    assert not inspect(world.into, RULES).stale
    changed = replaced("device", DEVICE, "'cuda'", "'other'")
    found = inspect(world.into, (changed, *RULES[2:]))
    assert found.stale
    assert found.stale_rules == ("mmcv/roi-own-input", "mmengine/device")
    assert not inspect(world.into).stale


def test_a_selection_does_not_make_a_port_stale(world: World) -> None:
    world.apply(without=("mmengine/device",))
    assert not inspect(world.into, RULES).stale


def test_a_clean_package_is_compared_with_its_release_if_there_is_one(world: World) -> None:
    world.check_out()
    world.edit(f"mmcv/{ROI}", b"x", b"y")
    releases = {name: MemoryTree(name, "", release(name)) for name in ("mmcv", "mmdet")}
    found = {p.package: p for p in inspect(world.into, releases=releases).packages}
    assert found["mmcv"].state == "hand-edited"
    assert found["mmcv"].edited == (f"mmcv/{ROI}",)
    assert found["mmdet"].state == found["mmengine"].state == "clean"


def test_installed_packages_are_compared_without_the_setup_py_that_wheels_lack(
    world: World,
) -> None:
    world.install()
    world.edit(ROI, b"x", b"y")
    releases = {name: MemoryTree(name, "", release(name)) for name in ("mmcv", "mmdet")}
    found = {p.package: p for p in inspect(world.into, releases=releases).packages}
    assert found["mmcv"].edited == (ROI,)
    assert found["mmdet"].state == "clean"


def test_a_package_installed_in_another_version_is_clean_again(world: World) -> None:
    world.install()
    world.apply()
    shutil.rmtree(world.into / "mmcv")
    world.install("mmcv", version="2.0.1")
    found = {p.package: p for p in inspect(world.into).packages}
    assert (found["mmcv"].state, found["mmcv"].version) == ("clean", "2.0.1")


def test_a_damaged_manifest_is_named(world: World) -> None:
    world.apply()
    (world.into / MANIFEST_PATH).write_bytes(b"?")
    with pytest.raises(TreeStateError, match="damaged"):
        inspect(world.into)


def test_a_ported_tree_can_be_read_as_upstream_has_it(world: World) -> None:
    world.apply()
    for package, tree in open_pristine(world.into, ["mmengine", "mmcv", "mmdet"]).items():
        assert {path: tree.read(path) for path in tree.paths()} == release(package)
    with pytest.raises(KeyError):
        open_pristine(world.into, ["mmengine"])["mmengine"].read(PROBE)
