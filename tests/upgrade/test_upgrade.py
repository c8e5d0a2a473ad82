"""A ported tree on a newer release: the same as a fresh port, with the edits by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from porter.errors import PlanError, SourceError, TreeStateError, UsageError
from porter.source import pins
from porter.upgrade.conflicts import LIST
from tests.upgrade.world import NEWER, SCRIPT, upgrade_world, upgraded
from tests.world import DEVICE, PROBE, ROI, Snapshot, World, replaced, snapshot

HERE = f"mmengine/{DEVICE}"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = upgrade_world(tmp_path, monkeypatch)
    made.apply()
    return made


def fresh(world: World) -> Snapshot:
    """A fresh port of the newer release."""
    other = World(world.root / "fresh", world.rules, world.target)
    request = other.request(into=other.into, pins={"mmengine": NEWER})
    from porter.apply import apply

    apply(request, world.cache)
    return snapshot(other.into)


def test_without_edits_by_hand_it_is_a_fresh_port(world: World) -> None:
    done = upgraded(world)
    assert done.status == "upgraded"
    assert world.files() == fresh(world)
    assert (done.before["mmengine"], done.after["mmengine"]) == ("0.10.5", NEWER)
    assert world.read(f"mmengine/{SCRIPT}") == b"#!/bin/sh\n"
    assert (world.into / f"mmengine/{SCRIPT}").stat().st_mode & 0o111


def test_what_changed_between_the_ports_is_told(world: World) -> None:
    done = upgraded(world)
    told = {(change.kind, change.rule): change.details for change in done.rules}
    assert told == {
        ("gained", "mmengine/late"): ("mmengine/device.py:4",),
        ("lost", "mmengine/early"): ("is for mmengine <0.10.7, not 0.10.7",),
        ("moved", "mmengine/device"): ("mmengine/device.py:3 -> 5",),
    }
    assert done.same == 3


def test_again_changes_nothing(world: World) -> None:
    upgraded(world)
    before = world.files()
    assert upgraded(world).status == "unchanged"
    assert world.files() == before
    assert world.apply().status == "unchanged"


def test_it_can_be_reverted_and_gone_back(world: World) -> None:
    before = world.files()
    upgraded(world)
    upgraded(world, pins={"mmengine": "0.10.5"})
    assert world.files() == before
    upgraded(world)
    world.revert()
    assert (
        (world.into / "mmengine/mmengine/device.py")
        .read_bytes()
        .startswith(b"import os\nimport sys")
    )


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        (HERE, b"    return DEVICE", b"    return DEVICE or mine"),
        ("mmengine/mmengine/city.py", b"NAME", b"MINE"),
        (f"mmengine/{PROBE}", b"return 1", b"return 2"),
        (f"mmcv/{ROI}", b"x.clone()", b"x.clone().mine()"),
    ],
    ids=["a ported file", "a file of upstream's", "an added file", "a package that stays"],
)  # fmt: skip
def test_edits_by_hand_are_carried_over(world: World, path: str, old: bytes, new: bytes) -> None:
    world.edit(path, old, new)
    done = upgraded(world)
    assert done.carried == (path,)
    assert new in world.read(path)
    wanted = {name: file for name, file in fresh(world).items() if name != path}
    assert {name: file for name, file in world.files().items() if name != path} == wanted


def test_files_of_ones_own_stay(world: World) -> None:
    mine = world.into / "mmengine/mmengine/mine.py"
    mine.write_bytes(b"mine = 1\n")
    upgraded(world)
    assert mine.read_bytes() == b"mine = 1\n"


def conflict(world: World) -> None:
    world.edit(HERE, b"DEVICE = 'sdaa'", b"DEVICE = 'mine'")


def test_a_conflict_writes_nothing_but_marks_beside_the_tree(world: World) -> None:
    conflict(world)
    before = world.files()
    done = upgraded(world)
    assert [one.path for one in done.conflicts] == [HERE]
    assert world.files() == before
    folder = world.root / "vendor.conflicts"
    assert sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.*")) == [LIST, HERE]
    text = (folder / HERE).read_text()
    assert "<<<<<<< edited by hand\nDEVICE = 'mine'\n" in text
    assert "||||||| as it was ported\nDEVICE = 'sdaa'\n=======\n" in text
    assert ">>>>>>> the new port\n" in text


def test_a_conflict_that_was_resolved_is_taken(world: World) -> None:
    conflict(world)
    upgraded(world)
    path = world.root / "vendor.conflicts" / HERE
    before = world.files()
    assert upgraded(world).conflicts  # still marked: nothing happens
    assert world.files() == before
    path.write_text("DEVICE = 'mine on 7'\n")
    done = upgraded(world)
    assert (done.status, done.carried, done.resolved) == ("upgraded", (HERE,), (HERE,))
    assert world.read(HERE) == b"DEVICE = 'mine on 7'\n"
    assert not (world.root / "vendor.conflicts").exists()


def test_a_resolution_that_does_not_compile_is_refused(world: World) -> None:
    conflict(world)
    upgraded(world)
    (world.root / "vendor.conflicts" / HERE).write_text("DEVICE = \n")
    with pytest.raises(TreeStateError, match="does not compile"):
        upgraded(world)


def test_resolutions_of_another_upgrade_are_not_taken(world: World) -> None:
    conflict(world)
    upgraded(world)
    world.edit(HERE, b"'mine'", b"'other'")
    with pytest.raises(TreeStateError, match="is of another upgrade"):
        upgraded(world)


def test_a_file_that_is_gone_upstream_and_edited_is_a_conflict(world: World) -> None:
    world.edit("mmengine/mmengine/untouched.py", b"10", b"11")
    done = upgraded(world)
    assert [one.path for one in done.conflicts] == ["mmengine/mmengine/untouched.py"]
    assert "value = 11" in done.conflicts[0].markers.decode()


def test_a_dry_run_writes_nothing_at_all(world: World) -> None:
    conflict(world)
    before = snapshot(world.root)
    done = upgraded(world, dry_run=True)
    assert (done.status, len(done.conflicts)) == ("planned", 1)
    world.edit(HERE, b"'mine'", b"'sdaa'")
    assert upgraded(world, dry_run=True).status == "planned"
    conflict(world)
    found = {p: f for p, f in snapshot(world.root).items() if not p.startswith("cache/")}
    assert found == {p: f for p, f in before.items() if not p.startswith("cache/")}


def test_a_plan_that_does_not_hold_writes_nothing(world: World) -> None:
    world.rules = (*world.rules, replaced("gone", "mmengine/untouched.py", "value = $X", "v = $X"))
    before = world.files()
    with pytest.raises(PlanError, match=r"mmengine/untouched\.py"):
        upgraded(world)
    assert world.files() == before


def unported(world: World) -> None:
    world.revert()


def a_checkout(world: World) -> None:
    (world.into / "mmengine/.git").mkdir()


def unknown_origin(world: World) -> None:
    pins._table()["mmengine"]["releases"]["0.10.5"] = {"sha256": "0" * 64}


@pytest.mark.parametrize(
    ("harm", "message"),
    [(unported, "is not ported"), (a_checkout, "is a git checkout"), (unknown_origin, "nothing vouches")],
)  # fmt: skip
def test_a_tree_that_cannot_be_upgraded(world: World, harm: object, message: str) -> None:
    harm(world)  # type: ignore[operator]
    before = world.files()
    with pytest.raises(TreeStateError, match=message):
        upgraded(world)
    assert world.files() == before


def test_site_packages_are_pips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = upgrade_world(tmp_path, monkeypatch)
    world.install()
    world.apply()
    with pytest.raises(TreeStateError, match="as pip installed it"):
        upgraded(world)


def test_bad_requests_are_told(world: World) -> None:
    with pytest.raises(UsageError, match="apex was not ported"):
        upgraded(world, pins={"apex": "1.0"})
    with pytest.raises(UsageError, match="in the ported tree"):
        upgraded(world, conflicts=world.into / "conflicts")
    (world.root / "there").mkdir()
    with pytest.raises(UsageError, match="something already"):
        upgraded(world, conflicts=world.root / "there")
    world.cache.archive_path(pins.known_pin("mmengine", NEWER)).unlink()
    with pytest.raises(SourceError, match=r"--offline.*mmengine 0.10.7"):
        upgraded(world)
