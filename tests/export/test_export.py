"""A port handed on: what is made of it gives the ported tree, byte for byte."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from porter.errors import SourceError, TreeStateError, UsageError
from porter.export.forms import WRITERS, Form
from porter.export.run import Exported, export
from tests.world import (
    DEVICE,
    DEVICE_RULE,
    PROBE,
    PROBE_RULE,
    ROI,
    RULES,
    VERSIONS,
    Snapshot,
    World,
    make_world,
    replaced,
    snapshot,
)

#: A second rule in the file of the first, and on the same line.
NEIGHBOUR = replaced("named", DEVICE, "DEVICE = $X", "DEVICE = NAME = $X")
MODES = list(WRITERS)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = make_world(tmp_path, monkeypatch)
    made.rules = (*RULES, NEIGHBOUR)
    made.apply()
    return made


def pristine(root: Path) -> Path:
    other = World(root / "pristine")
    other.check_out()
    return other.into


def packages(folder: Path) -> Snapshot:
    """The files of the packages, without porter's own and git's."""
    found = snapshot(folder)
    return {p: f for p, f in found.items() if not p.startswith((".porter", ".git"))}


def put_patches(out: Path, into: Path, command: tuple[str, ...]) -> None:
    for name in (out / "series").read_text().splitlines():
        subprocess.run([*command, str(out / name)], cwd=into, check=True, capture_output=True)


def git(folder: Path, *words: str) -> str:
    settings = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "core.autocrlf=false")
    done = subprocess.run(["git", *settings, *words], cwd=folder, capture_output=True, check=True)
    return done.stdout.decode()


COMMANDS = [("git", "apply"), ("patch", "-p1", "-s", "-i")]


@pytest.mark.parametrize("command", COMMANDS, ids=["git apply", "patch"])
def test_the_series_gives_the_ported_tree(world: World, command: tuple[str, ...]) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"no {command[0]} here")
    export(world.into, world.root / "out", "patches", world.rules)
    into = pristine(world.root)
    put_patches(world.root / "out", into, command)
    assert packages(into) == packages(world.into)


def test_git_am_takes_the_series_and_keeps_reasons(world: World) -> None:
    export(world.into, world.root / "out", "patches", world.rules)
    into = pristine(world.root)
    git(into, "init", "-q")
    git(into, "add", "-A")
    git(into, "commit", "-qm", "upstream")
    patches = sorted(str(path) for path in (world.root / "out").glob("*.patch"))
    git(into, "am", "-q", *patches)
    assert packages(into) == packages(world.into)
    said = git(into, "log", "-1", "--format=%an|%s|%b")
    assert said.startswith("porter|Port to sdaa: mmengine/probe|a test\n\nSource: a test\n")


def test_the_branch_has_a_commit_a_rule_on_top_of_upstream(world: World) -> None:
    out = world.root / "out"
    export(world.into, out, "git", world.rules)
    assert packages(out) == packages(world.into)
    assert git(out, "status", "--porcelain") == ""
    assert git(out, "branch", "--show-current").strip() == "porter/sdaa"
    subjects = git(out, "log", "--reverse", "--format=%s").splitlines()
    assert subjects[0] == "mmcv 2.1.0, mmdet 3.3.0, mmengine 0.10.5, as upstream has them"
    assert subjects[1:] == [f"Port to sdaa: {rule}" for rule in sorted(r.id for r in world.rules)]
    git(out, "checkout", "-q", "HEAD~5")
    assert packages(out) == packages(pristine(world.root))


def test_the_overlay_has_the_changed_files_alone(world: World) -> None:
    out = world.root / "out"
    export(world.into, out, "overlay", world.rules)
    assert sorted(path.name for path in out.iterdir()) == [f"{p}_need" for p in sorted(VERSIONS)]
    assert (out / "mmcv_need" / ROI).is_file()
    into = pristine(world.root)
    for package in VERSIONS:
        shutil.copytree(out / f"{package}_need", into / package, dirs_exist_ok=True)
    assert packages(into) == packages(world.into)
    touched = {path for path in packages(world.into) if not path.endswith("/")}
    assert len(list(out.rglob("*.*"))) < len(touched)


def commit_of(folder: Path) -> object:
    return git(folder, "rev-parse", "HEAD") if (folder / ".git").exists() else snapshot(folder)


@pytest.mark.parametrize("form", MODES)
def test_the_same_port_gives_the_same_bytes(world: World, form: Form) -> None:
    one, two = world.root / "one", world.root / "two"
    export(world.into, one, form, world.rules)
    other = World(world.root / "elsewhere", world.rules)
    shutil.copytree(world.into, other.into)
    export(other.into, two, form, tuple(reversed(world.rules)))
    assert commit_of(one) == commit_of(two)


def test_a_patch_is_on_top_of_those_before_it(world: World) -> None:
    done = export(world.into, world.root / "out", "patches", world.rules)
    device, named = (
        next(step for step in done.steps if step.name == rule.id)
        for rule in (DEVICE_RULE, NEIGHBOUR)
    )
    assert "+DEVICE = 'sdaa'" in device.diffs[0].text
    assert "-DEVICE = 'sdaa'" in named.diffs[0].text
    assert "+DEVICE = NAME = 'sdaa'" in named.diffs[0].text


def test_a_rule_comes_after_those_it_needs(world: World) -> None:
    rules = [replace(r, needs=(PROBE_RULE.id,)) if r is DEVICE_RULE else r for r in world.rules]
    done = export(world.into, world.root / "out", "patches", rules)
    names = [step.name for step in done.steps]
    assert names.index(PROBE_RULE.id) < names.index(DEVICE_RULE.id)


def test_one_package_alone(world: World) -> None:
    done = export(world.into, world.root / "out", "overlay", world.rules, packages=["mmcv"])
    assert [path.name for path in (world.root / "out").iterdir()] == ["mmcv_need"]
    assert done.subject.manifest.pins == {"mmcv": "2.1.0"}
    with pytest.raises(UsageError, match="--package apex: not ported"):
        export(world.into, world.root / "other", "overlay", world.rules, packages=["apex"])


@pytest.mark.parametrize("form", MODES)
def test_edits_by_hand_are_refused_or_a_last_step(world: World, form: Form) -> None:
    world.edit(f"mmcv/{ROI}", b"x.clone()", b"x.clone().mine()")
    out = world.root / "out"
    with pytest.raises(TreeStateError, match=ROI):
        export(world.into, out, form, world.rules)
    assert not out.exists()
    done = export(world.into, out, form, world.rules, keep_edits=True)
    assert done.steps[-1].name == "by-hand"
    assert put(done, world) == packages(world.into)


def put(done: Exported, world: World) -> Snapshot:
    if done.form == "git":
        return packages(done.out)
    into = pristine(world.root)
    if done.form == "patches":
        put_patches(done.out, into, ("git", "apply"))
    for need in done.out.glob("*_need"):
        shutil.copytree(need, into / need.name.removesuffix("_need"), dirs_exist_ok=True)
    return packages(into)


def broken_gone(world: World) -> None:
    (world.into / "mmengine" / PROBE).unlink()


def broken_unported(world: World) -> None:
    world.revert()


@pytest.mark.parametrize(
    ("harm", "message"),
    [(broken_gone, "no longer there"), (broken_unported, "is not ported")],
    ids=["a file is gone", "it is not ported"],
)
def test_a_tree_that_cannot_be_handed_on(
    world: World, harm: Callable[[World], None], message: str
) -> None:
    harm(world)
    with pytest.raises(TreeStateError, match=message):
        export(world.into, world.root / "out", "patches", world.rules, keep_edits=True)
    assert {path.name for path in world.root.iterdir()} <= {"cache", "vendor"}


def test_a_folder_that_is_there_is_left_alone(world: World) -> None:
    (world.root / "out").mkdir()
    with pytest.raises(UsageError, match="something already"):
        export(world.into, world.root / "out", "patches", world.rules)


def test_what_fails_leaves_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("porter.source.gitwrite._stream", lambda *_: iter([b"nonsense\n"]))
    with pytest.raises(SourceError, match="git cannot make a repository"):
        export(world.into, world.root / "out", "git", world.rules)
    assert {path.name for path in world.root.iterdir()} <= {"cache", "vendor"}


def test_odd_names_and_bytes_survive(tmp_path: Path) -> None:
    from porter.source.gitwrite import Commit, write_repository

    files = {'a "b"\\c.txt': (b"x\r\n\xff", 0o644), "run é.sh": (b"", 0o755)}
    write_repository(
        tmp_path / "r", "porter/x", [Commit("one\n", files)], author="a <a@b>", seconds=5
    )
    for name, (data, mode) in files.items():
        assert (tmp_path / "r" / name).read_bytes() == data
        assert bool((tmp_path / "r" / name).stat().st_mode & 0o100) == bool(mode & 0o100)
