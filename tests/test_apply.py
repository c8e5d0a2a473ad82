"""Ports of whole folders: fresh, in place, again, by other rules, over edits by hand."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from porter.errors import PlanError, SourceError, TreeStateError, UsageError, WriteError
from porter.manifest import MANIFEST_PATH, read_manifest
from porter.model import Rule
from porter.source import known_pin
from tests.world import (
    CITY_RULE,
    DEVICE,
    DEVICE_RULE,
    PROBE,
    PROBE_RULE,
    ROI,
    ROI_RULE,
    RULES,
    SCRIPT,
    World,
    make_world,
    open_world,
    release,
    replaced,
    target,
    unprivileged,
)

VENDOR_DEVICE = f"mmengine/{DEVICE}"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return make_world(tmp_path, monkeypatch)


def test_a_missing_folder_gets_the_whole_releases_ported(world: World) -> None:
    outcome = world.apply()
    assert outcome.status == "ported"
    files = world.files()
    assert b"DEVICE = 'sdaa'" in files[VENDOR_DEVICE][0]
    assert files[f"mmdet/{SCRIPT}"] == (b"#!/bin/sh\npython3 train.py\n", 0o755)
    assert files[f"mmengine/{PROBE}"][0] == b"def probe():\n    return 1\n"
    for package in ("mmengine", "mmcv", "mmdet"):
        for path in release(package):
            assert f"{package}/{path}" in files
    assert {path.name for path in world.root.iterdir()} == {"cache", "vendor"}
    assert set(outcome.seconds) == {"fetch", "plan", "write"}


@pytest.mark.parametrize("hidden", [(), (".gitkeep",)], ids=["empty", "with a hidden file"])
def test_a_vacant_folder_gets_the_same_tree_and_stays_itself(
    hidden: tuple[str, ...], world: World
) -> None:
    world.apply()
    expected = world.files()
    other = world.root / "other"
    other.mkdir()
    for name in hidden:
        (other / name).touch()
    number = other.stat().st_ino
    world.apply(into=other)
    found = World(world.root / "x", world.rules, world.target)
    found.root.mkdir()
    (found.root / "vendor").symlink_to(other)
    files = {path: file for path, file in found.files().items() if path not in hidden}
    assert files == expected
    assert other.stat().st_ino == number


def test_folders_above_are_made_and_removed_again_if_the_port_fails(world: World) -> None:
    assert world.apply(into=world.root / "a" / "b").status == "ported"
    wrong = replaced("wrong", DEVICE, "no_such_name", "x")
    with pytest.raises(PlanError):
        world.apply(into=world.root / "c" / "d", rules=(wrong,))
    assert not (world.root / "c").exists()


def test_pristine_checkouts_are_ported_in_place_to_the_same_bytes_and_manifest(
    world: World,
) -> None:
    world.apply()
    fresh = world.files()
    other = World(world.root / "other")
    other.check_out()
    outcome = world.apply(into=other.into)
    assert outcome.status == "ported"
    assert other.files() == fresh


def test_site_packages_are_ported_in_place(world: World) -> None:
    world.install()
    before = world.files()
    world.apply()
    assert b"DEVICE = 'sdaa'" in world.read(DEVICE)
    assert world.files()[SCRIPT] == (b"#!/bin/sh\npython3 train.py\n", 0o755)
    manifest = read_manifest(world.into)
    assert manifest is not None
    assert {record.folder for record in manifest.packages.values()} == {"."}
    world.revert()
    assert world.files() == before


def test_packages_that_are_not_there_are_skipped_with_the_reason(world: World) -> None:
    world.install("mmengine", "mmcv")
    outcome = world.apply()
    assert outcome.manifest.pins.keys() == {"mmengine", "mmcv"}
    assert [(s.rule, s.package, s.reason) for s in outcome.plan.skips] == [
        ("mmdet/python3", "mmdet", "mmdet is not in the folder")
    ]


def test_a_version_nobody_pinned_is_ported_as_it_is_found(world: World) -> None:
    world.install("mmengine", version="0.10.99")
    assert world.apply().manifest.pins == {"mmengine": "0.10.99"}
    assert world.apply().status == "unchanged"


def test_doing_it_again_changes_nothing_and_neither_fetches_nor_plans(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = world.apply()
    before = world.files()
    times = {path: path.stat().st_mtime_ns for path in world.into.rglob("*") if path.is_file()}
    for pin in (known_pin(package, version) for package, version in first.manifest.pins.items()):
        world.cache.archive_path(pin).unlink()
    monkeypatch.setattr("porter.port.planned.make_plan", None)
    again = world.apply()
    assert (again.status, again.manifest) == ("unchanged", first.manifest)
    assert again.plan == first.plan
    assert world.files() == before
    assert {path: path.stat().st_mtime_ns for path in times} == times


def test_doing_it_again_needs_no_right_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    with open_world(monkeypatch) as world:
        world.apply()
        with unprivileged():
            assert world.apply().status == "unchanged"
            with pytest.raises(WriteError, match="Permission denied"):
                world.apply(rules=(DEVICE_RULE,))


def test_a_dry_run_writes_nothing(world: World) -> None:
    assert world.apply(dry_run=True).status == "planned"
    assert not world.into.exists()
    world.check_out()
    before = world.files()
    assert world.apply(dry_run=True).status == "planned"
    assert world.files() == before
    world.apply()
    assert world.apply(dry_run=True).status == "unchanged"


def test_newer_rules_are_planned_on_the_kept_pristine_bytes(world: World) -> None:
    world.apply()
    newer = replaced("device", DEVICE, "'cuda'", "'the $device'")
    outcome = world.apply(rules=(newer, ROI_RULE))
    assert outcome.status == "ported"
    assert b"DEVICE = 'the sdaa'" in world.read(VENDOR_DEVICE)
    other = World(world.root / "other", (newer, ROI_RULE))
    world.apply(into=other.into, rules=other.rules)
    assert world.files() == other.files()
    assert not (world.into / "mmengine" / "mmengine" / "chip").exists()


def test_newer_rules_need_neither_network_nor_cache(world: World) -> None:
    first = world.apply()
    for package, version in first.manifest.pins.items():
        world.cache.archive_path(known_pin(package, version)).unlink()
    assert world.apply(rules=(*RULES, CITY_RULE)).status == "ported"
    assert "Zürich".encode() in world.read("mmengine/mmengine/city.py")


@pytest.mark.parametrize(
    ("selection", "ported"),
    [
        pytest.param({"only": ("mmengine/device",)}, {VENDOR_DEVICE}, id="--rule"),
        pytest.param(
            {"without": ("mmengine/device",)},
            {f"mmcv/{ROI}", f"mmdet/{SCRIPT}", f"mmengine/{PROBE}"},
            id="--without-rule",
        ),
    ],
)
def test_another_selection_is_a_new_port(
    selection: dict[str, tuple[str, ...]], ported: set[str], world: World
) -> None:
    world.apply()
    outcome = world.apply(**selection)
    assert outcome.status == "ported"
    assert set(outcome.manifest.by_location) == ported
    assert world.apply(**selection).status == "unchanged"
    assert world.apply().status == "ported"


def test_a_changed_target_file_is_a_new_port(world: World) -> None:
    world.apply()
    changed = replace(target(digest="b" * 64), variables={"device": "newer"})
    assert world.apply(target=changed).status == "ported"
    assert b"'newer'" in world.read(VENDOR_DEVICE)


def test_another_target_is_refused_and_revert_is_named(world: World) -> None:
    world.apply()
    before = world.files()
    with pytest.raises(TreeStateError, match="ported to sdaa, not npu") as caught:
        world.apply(target=target("npu"))
    assert f"porter revert --into {world.into}" in caught.value.hint
    assert world.files() == before


@pytest.mark.parametrize("rules", [RULES, (*RULES, CITY_RULE)], ids=["same rules", "newer rules"])
def test_edits_by_hand_are_refused_with_every_file_named(
    rules: tuple[Rule, ...], world: World
) -> None:
    world.apply()
    world.edit(VENDOR_DEVICE, b"import os", b"import os, sys")
    world.edit(f"mmcv/{ROI}", b"roi(x)", b"roi(x, y=1)")
    before = world.files()
    with pytest.raises(TreeStateError) as caught:
        world.apply(rules=rules)
    assert caught.value.message.splitlines() == [
        f"2 files in {world.into} edited by hand since the port:",
        f"  mmcv/{ROI}",
        f"  {VENDOR_DEVICE}",
    ]
    assert world.files() == before


def test_edits_by_hand_are_kept_by_a_merge(world: World) -> None:
    world.apply()
    world.edit(VENDOR_DEVICE, b"import os", b"import os, sys")
    newer = replaced("device", DEVICE, "'cuda'", "'the $device'")
    outcome = world.apply(rules=(newer,), edits="keep")
    assert (outcome.status, outcome.merged) == ("ported", (VENDOR_DEVICE,))
    text = world.read(VENDOR_DEVICE)
    assert b"import os, sys\n" in text
    assert b"'the sdaa'" in text
    assert world.apply(rules=(newer,), edits="keep").status == "unchanged"
    world.revert(edits="keep")
    assert world.read(VENDOR_DEVICE) == release("mmengine")[DEVICE].replace(b"os", b"os, sys", 1)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        pytest.param(b"'sdaa'", b"'mine'", "both sides change the same lines", id="same line"),
        pytest.param(b"return DEVICE", b"return (", "it does not compile", id="broken by hand"),
    ],
)
def test_edits_that_cannot_be_merged_are_refused_and_nothing_is_written(
    old: bytes, new: bytes, reason: str, world: World
) -> None:
    world.apply()
    world.edit(VENDOR_DEVICE, old, new)
    before = world.files()
    newer = replaced("device", DEVICE, "'cuda'", "'the $device'")
    with pytest.raises(TreeStateError, match=reason) as caught:
        world.apply(rules=(newer, ROI_RULE), edits="keep")
    assert VENDOR_DEVICE in caught.value.message
    assert world.files() == before


def test_edits_by_hand_are_overwritten_when_asked(world: World) -> None:
    world.apply()
    expected = world.files()
    world.edit(VENDOR_DEVICE, b"import os", b"import os, sys")
    (world.into / f"mmcv/{ROI}").unlink()
    assert world.apply(edits="overwrite").status == "ported"
    assert world.files() == expected


def test_edits_in_files_that_no_rule_touches_are_left_alone(world: World) -> None:
    world.apply()
    world.edit("mmengine/mmengine/untouched.py", b"value = 1", b"value = 2")
    assert world.apply().status == "unchanged"
    assert world.apply(rules=(DEVICE_RULE,)).status == "ported"
    assert world.read("mmengine/mmengine/untouched.py") == b"value = 2\n"


def test_an_edit_in_a_file_that_a_newer_rule_touches_is_not_lost(world: World) -> None:
    world.apply()
    world.edit("mmengine/mmengine/city.py", b"NAME", b"OTHER")
    before = world.files()
    with pytest.raises(TreeStateError, match=r"mmengine/city\.py"):
        world.apply(rules=(*RULES, CITY_RULE))
    assert world.files() == before


def test_a_tree_that_is_neither_pristine_nor_ported_is_refused(world: World) -> None:
    world.check_out()
    world.edit(f"mmcv/{ROI}", b"forward(x)", b"forward(x.contiguous())")
    before = world.files()
    with pytest.raises(TreeStateError, match="neither pristine nor ported") as caught:
        world.apply()
    assert f"mmcv/{ROI}" in caught.value.message
    assert world.files() == before


def test_edits_of_a_tree_that_was_never_ported_can_be_kept_too(world: World) -> None:
    world.check_out()
    world.edit(VENDOR_DEVICE, b"import os", b"import os, sys")
    assert world.apply(edits="keep").merged == (VENDOR_DEVICE,)
    assert b"import os, sys\n\nDEVICE = 'sdaa'\n" in world.read(VENDOR_DEVICE)


def test_a_folder_whose_release_nobody_vouches_for_is_taken_as_it_is(world: World) -> None:
    world.check_out()
    world.edit(VENDOR_DEVICE, b"import os", b"import os, sys")
    before = world.files()
    outcome = world.apply(origin="git")
    assert {record.origin for record in outcome.manifest.packages.values()} == {"folder"}
    world.revert()
    assert world.files() == before


def test_without_network_and_cache_a_checkout_cannot_be_checked(world: World) -> None:
    world.check_out()
    world.cache.archive_path(known_pin("mmcv", "2.1.0")).unlink()
    with pytest.raises(SourceError, match="mmcv"):
        world.apply()
    assert not (world.into / ".porter").exists()


def test_a_file_in_the_place_of_an_added_one_is_not_overwritten(world: World) -> None:
    world.check_out()
    probe = world.into / "mmengine" / PROBE
    probe.parent.mkdir()
    probe.write_bytes(b"mine = 1\n")
    with pytest.raises(PlanError, match=r"probe\.py is there already"):
        world.apply()
    assert probe.read_bytes() == b"mine = 1\n"


def test_another_version_than_the_one_asked_for_is_refused(world: World) -> None:
    world.check_out()
    with pytest.raises(TreeStateError, match=r"has mmcv 2\.1\.0, but 2\.0\.1 is asked for"):
        world.apply(pins={"mmcv": "2.0.1"})
    assert world.apply(pins={"mmcv": "2.1"}).status == "ported"


def test_a_pin_of_a_package_that_is_not_asked_for_is_refused(world: World) -> None:
    with pytest.raises(UsageError, match=r"--pin mmcv=2\.1\.0: mmcv is not to be ported"):
        world.apply(pins={"mmcv": "2.1.0"}, packages=("mmdet",))


def test_a_package_without_releases_is_looked_for_where_it_is_installed(world: World) -> None:
    with pytest.raises(UsageError, match="apex") as caught:
        world.apply(packages=("apex",))
    assert "name that site-packages with --into" in caught.value.hint


def test_a_port_of_some_packages_is_widened_later_and_never_narrowed(world: World) -> None:
    world.check_out()
    assert world.apply(packages=("mmcv",)).manifest.pins.keys() == {"mmcv"}
    assert world.apply().manifest.pins.keys() == {"mmengine", "mmcv", "mmdet"}
    assert world.apply(packages=("mmcv",)).status == "unchanged"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        pytest.param({"notes.txt": b"x"}, "none of mmcv, mmdet, mmengine is in it", id="other files"),
        pytest.param(None, "is a file", id="a file"),
    ],
)  # fmt: skip
def test_folders_with_something_else_are_refused(
    files: dict[str, bytes] | None, message: str, world: World
) -> None:
    if files is None:
        world.into.write_bytes(b"x")
    for path, data in (files or {}).items():
        world.into.mkdir()
        (world.into / path).write_bytes(data)
    with pytest.raises(TreeStateError, match=message):
        world.apply()


@pytest.mark.parametrize("place", [".", "porter", "rules/mmcv", "new", ".venv/lib", "vendors"])
def test_a_folder_within_a_checkout_of_porter_is_refused(place: str, world: World) -> None:
    checkout = _porter_checkout(world.root / "checkout")
    with pytest.raises(TreeStateError, match="checkout of porter itself"):
        world.apply(into=checkout / place)


def test_this_checkout_is_refused(world: World) -> None:
    here = Path(__file__).resolve().parents[1]
    with pytest.raises(TreeStateError, match="checkout of porter itself"):
        world.apply(into=here / "docs" / "tree")


@pytest.mark.parametrize("place", ["vendor", "build/trees/sdaa"])
def test_ignored_folders_of_a_checkout_of_porter_may_be_ported_into(
    place: str, world: World
) -> None:
    checkout = _porter_checkout(world.root / "checkout")
    assert world.apply(into=checkout / place).status == "ported"


def _porter_checkout(folder: Path) -> Path:
    for name in ("porter/apply.py", "rules/x", "targets/x", "pyproject.toml"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_a_port_that_breaks_a_file_is_refused_with_its_rule(world: World) -> None:
    world.check_out()
    breaking = replaced("breaking", ROI, "forward(x)", "(yield forward(x), await x)")
    with pytest.raises(PlanError, match=r"mmcv/ops/roi\.py.*does not compile.*mmcv/breaking"):
        world.apply(rules=(*RULES[:1], breaking))
    assert not (world.into / ".porter").exists()


def test_a_package_installed_anew_is_ported_anew(world: World) -> None:
    world.install()
    world.apply()
    expected = world.files()
    world.install("mmcv")
    assert world.apply().status == "ported"
    assert world.files() == expected


def test_a_package_upgraded_since_is_ported_in_its_new_version(world: World) -> None:
    world.install()
    world.apply()
    world.install("mmengine", version="0.10.99")
    outcome = world.apply()
    assert outcome.manifest.pins["mmengine"] == "0.10.99"
    assert b"'sdaa'" in world.read(DEVICE)
    world.revert()
    assert world.read(DEVICE) == release("mmengine")[DEVICE]
    assert not (world.into / "mmengine" / "chip").exists()


def test_a_ported_package_that_says_another_version_is_refused(world: World) -> None:
    world.install()
    world.apply()
    world.edit("mmengine/version.py", b"0.10.5", b"0.10.6")
    with pytest.raises(TreeStateError, match=r"mmengine says 0\.10\.6, but 0\.10\.5 was ported"):
        world.apply()


def test_a_damaged_manifest_is_named(world: World) -> None:
    world.apply()
    (world.into / MANIFEST_PATH).write_text("{}")
    with pytest.raises(TreeStateError, match=r"manifest\.json is damaged"):
        world.apply()


def test_damaged_pristine_bytes_are_named(world: World) -> None:
    outcome = world.apply()
    kept = world.into / ".porter" / "pristine" / outcome.manifest.by_location[VENDOR_DEVICE].before
    kept.write_bytes(b"other")
    with pytest.raises(TreeStateError, match="pristine bytes that the port kept cannot be used"):
        world.apply()


def test_the_manifest_says_nothing_of_the_machine_and_is_the_same_everywhere(
    world: World,
) -> None:
    world.apply()
    text = world.read(MANIFEST_PATH)
    assert str(world.root).encode() not in text
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    code = (
        "import sys; from pathlib import Path; from _pytest.monkeypatch import MonkeyPatch;"
        "from tests.world import make_world;"
        "world = make_world(Path(sys.argv[1]), MonkeyPatch()); world.apply()"
    )
    root = world.root / "elsewhere"
    subprocess.run([sys.executable, "-c", code, str(root)], check=True, env=environment)
    assert (root / "vendor" / MANIFEST_PATH).read_bytes() == text


def test_an_added_file_that_was_removed_comes_back(world: World) -> None:
    world.apply()
    (world.into / "mmengine" / PROBE).unlink()
    assert world.apply().status == "ported"
    assert (world.into / "mmengine" / PROBE).exists()
    assert world.apply(rules=(DEVICE_RULE, PROBE_RULE)).status == "ported"
