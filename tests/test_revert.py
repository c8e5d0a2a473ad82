"""Undoing a port: every byte and mode, and nothing left behind."""

from __future__ import annotations

import compileall
import shutil
from pathlib import Path

import pytest

from porter.errors import TreeStateError
from tests.world import DEVICE, FILES, PROBE, ROI, SCRIPT, World, make_world, release, snapshot

VENDOR_DEVICE = f"mmengine/{DEVICE}"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return make_world(tmp_path, monkeypatch)


def test_every_byte_and_mode_comes_back(world: World) -> None:
    world.check_out()
    (world.into / VENDOR_DEVICE).chmod(0o640)
    before = world.files()
    world.apply()
    outcome = world.revert()
    assert world.files() == before
    assert outcome.target == "sdaa"
    assert outcome.restored == (f"mmcv/{ROI}", f"mmdet/{SCRIPT}", VENDOR_DEVICE)
    assert outcome.removed == (f"mmengine/{PROBE}",)


def test_a_tree_that_porter_made_stays_as_pristine_packages(world: World) -> None:
    world.apply()
    world.revert()
    found = {path: data for path, (data, _) in world.files().items()}
    assert found == {
        f"{package}/{path}": data for package in FILES for path, data in release(package).items()
    }
    assert world.apply().status == "ported"


def test_what_python_compiled_meanwhile_keeps_no_folder_alive(world: World) -> None:
    world.install()
    world.apply()
    assert compileall.compile_dir(world.into, quiet=2)
    world.revert()
    assert not (world.into / PROBE).parent.exists()


@pytest.mark.parametrize("port", ["newer", "narrower"])
def test_a_port_of_a_port_is_undone_whole(port: str, world: World) -> None:
    world.check_out()
    before = world.files()
    world.apply()
    world.apply(rules=world.rules[:2] if port == "narrower" else world.rules[::-1][:3])
    world.revert()
    assert world.files() == before


def test_edits_by_hand_are_refused_with_every_file_named(world: World) -> None:
    world.apply()
    world.edit(VENDOR_DEVICE, b"import os", b"import os, sys")
    world.edit(f"mmengine/{PROBE}", b"1", b"2")
    before = world.files()
    with pytest.raises(TreeStateError, match=r"2 files in .* edited by hand") as caught:
        world.revert()
    assert VENDOR_DEVICE in caught.value.message
    assert PROBE in caught.value.message
    assert world.files() == before


def test_edits_by_hand_are_dropped_when_asked(world: World) -> None:
    world.check_out()
    before = world.files()
    world.apply()
    world.edit(VENDOR_DEVICE, b"import os", b"import os, sys")
    world.edit(f"mmengine/{PROBE}", b"1", b"2")
    world.revert(edits="overwrite")
    assert world.files() == before


def test_edits_in_files_that_the_port_did_not_touch_stay(world: World) -> None:
    world.check_out()
    world.apply()
    world.edit("mmengine/mmengine/untouched.py", b"1", b"2")
    world.revert()
    assert world.read("mmengine/mmengine/untouched.py") == b"value = 2\n"


def test_a_folder_that_is_not_ported_is_refused(world: World) -> None:
    world.check_out()
    before = world.files()
    with pytest.raises(TreeStateError, match="is not ported"):
        world.revert()
    assert world.files() == before


def test_a_missing_folder_is_refused_and_not_made(world: World) -> None:
    with pytest.raises(TreeStateError, match="is not ported"):
        world.revert()
    assert not world.into.exists()


def test_a_package_that_was_removed_since_is_no_obstacle(world: World) -> None:
    world.install()
    world.apply()
    shutil.rmtree(world.into / "mmcv")
    world.revert()
    assert not (world.into / "mmcv").exists()
    assert world.read(DEVICE) == release("mmengine")[DEVICE]


def test_a_moved_tree_is_undone_where_it_is(world: World) -> None:
    world.apply()
    world.into.rename(world.root / "moved")
    (world.root / "moved").rename(world.into)
    moved = World(world.root / "deep" / "er")
    moved.root.mkdir(parents=True)
    world.into.rename(moved.into)
    moved.revert()
    assert "mmengine/setup.py" in snapshot(moved.into)
    assert not (moved.into / ".porter").exists()
