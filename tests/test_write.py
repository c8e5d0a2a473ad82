"""Writing: modes, owners, times, locks, and what a disk refuses."""

from __future__ import annotations

import os
import py_compile
import resource
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from porter.errors import TreeStateError, WriteError
from porter.write import Change, change_tree, recover
from porter.write.journal import JOURNAL_PATH, Journal, read_journal
from porter.write.lock import tree_lock
from porter.write.steps import STAGED_DIR, commit, stage
from tests.world import (
    DEVICE,
    NOBODY,
    SCRIPT,
    World,
    give_away,
    make_world,
    open_world,
    snapshot,
    unprivileged,
)

ROOT = Path(__file__).parent.parent

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="modes and owners of POSIX")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return make_world(tmp_path, monkeypatch)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    folder.mkdir()
    (folder / "a.py").write_bytes(b"x.cuda()\n")
    return folder


def change(tree: Path, path: str, old: bytes | None, new: bytes | None, **options: Any) -> None:
    with tree_lock(tree):
        change_tree(tree, [Change(path, old, new)], kept={}, **options)


def _swap(tree: Path, old: bytes, new: bytes) -> None:
    change(tree, "a.py", old, new)


@pytest.mark.parametrize("mode", [0o644, 0o755, 0o600, 0o444])
def test_a_changed_file_keeps_its_mode(mode: int, tree: Path) -> None:
    (tree / "a.py").chmod(mode)
    _swap(tree, b"x.cuda()\n", b"x.sdaa()\n")
    assert snapshot(tree)["a.py"] == (b"x.sdaa()\n", mode)


@pytest.mark.skipif(os.name == "posix" and os.geteuid() != 0, reason="only root gives files away")
def test_a_changed_file_keeps_its_owner(tree: Path) -> None:
    os.chown(tree / "a.py", NOBODY, NOBODY)
    _swap(tree, b"x.cuda()\n", b"x.sdaa()\n")
    found = (tree / "a.py").stat()
    assert (found.st_uid, found.st_gid) == (NOBODY, NOBODY)


def test_a_hard_link_elsewhere_keeps_the_old_bytes(tree: Path) -> None:
    """As in environments made by uv, whose cache has the same file."""
    elsewhere = tree.parent / "cache.py"
    elsewhere.hardlink_to(tree / "a.py")
    _swap(tree, b"x.cuda()\n", b"x.sdaa()\n")
    assert elsewhere.read_bytes() == b"x.cuda()\n"


def test_python_does_not_take_the_old_compiled_file_for_the_new_source(tree: Path) -> None:
    """Sources of one length, swapped within one second."""
    texts = [b"x.cuda()\n", b"x.sdaa()\n"] * 2
    for old, new in pairwise(texts):
        py_compile.compile(str(tree / "a.py"), doraise=True)
        _swap(tree, old, new)
        code = SourceFileLoader("a", str(tree / "a.py")).get_code("a")
        assert code is not None
        assert new[2:6].decode() in code.co_names


def test_a_removed_file_takes_its_compiled_form_and_its_folder_with_it(tree: Path) -> None:
    change(tree, "new/b.py", None, b"1\n")
    py_compile.compile(str(tree / "new" / "b.py"), doraise=True)
    change(tree, "new/b.py", b"1\n", None, folders=["new"], leave=True)
    assert snapshot(tree).keys() == {"a.py"}


def test_a_folder_with_something_of_the_users_in_it_stays(tree: Path) -> None:
    change(tree, "new/b.py", None, b"1\n")
    (tree / "new" / "mine.py").touch()
    change(tree, "new/b.py", b"1\n", None, folders=["new"], leave=True)
    assert snapshot(tree).keys() == {"a.py", "new/mine.py"}


def test_a_file_that_changed_meanwhile_stops_the_writing(tree: Path) -> None:
    before = snapshot(tree)
    with pytest.raises(TreeStateError, match="changed by somebody else"):
        _swap(tree, b"something else\n", b"x.sdaa()\n")
    assert snapshot(tree) == before


def test_no_second_porter_writes_at_the_same_time(world: World) -> None:
    world.apply()
    world.edit(f"mmengine/{DEVICE}", b"os", b"sys")
    before = world.files()
    with tree_lock(world.into):
        for run in (lambda: world.apply(edits="overwrite"), lambda: world.revert(edits="keep")):
            with pytest.raises(TreeStateError, match="another porter is at work on"):
                run()
    assert world.files() == before


def test_no_second_porter_makes_the_same_folder(world: World) -> None:
    with (
        tree_lock(world.into),
        pytest.raises(TreeStateError, match="another porter is at work on"),
    ):
        world.apply()
    assert {path.name for path in world.root.iterdir()} == {"cache"}
    assert world.apply().status == "ported"


@pytest.mark.parametrize("place", ["missing", "empty", "packages"])
def test_porters_that_race_leave_one_whole_port(place: str, world: World) -> None:
    if place != "missing":
        world.into.mkdir()
    if place == "packages":
        world.check_out()
    code = (
        "import sys; from pathlib import Path; from _pytest.monkeypatch import MonkeyPatch;"
        "from porter.errors import TreeStateError; from tests.world import make_world\n"
        "world = make_world(Path(sys.argv[1]), MonkeyPatch())\n"
        "try: print(world.apply().status)\n"
        "except TreeStateError as error: print(error.message)"
    )
    command = [sys.executable, "-c", code, str(world.root)]
    racing = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) for _ in range(4)]
    said = [process.communicate()[0].decode() for process in racing]
    assert [process.returncode for process in racing] == [0] * 4
    assert sum(text.startswith("ported") for text in said) == 1
    other = World(world.root / "other")
    world.apply(into=other.into)
    assert world.files() == other.files()


def test_a_folder_that_may_not_be_written_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with open_world(monkeypatch) as world:
        world.check_out()
        before = world.files()
        with unprivileged(), pytest.raises(WriteError, match="Permission denied") as caught:
            world.apply()
        assert str(world.into) in caught.value.message
        assert "owner" in caught.value.hint
        assert world.files() == before


def test_a_folder_within_that_may_not_be_written_undoes_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with open_world(monkeypatch) as world:
        world.check_out()
        give_away(world.into)
        scripts = (world.into / "mmdet" / SCRIPT).parent
        scripts.chmod(0o555)
        before = world.files()
        with unprivileged(), pytest.raises(WriteError, match=r"The folder is as it was\."):
            world.apply()
        assert world.files() == before


def test_a_disk_that_takes_no_more_leaves_everything_as_it_was(world: World) -> None:
    """The kernel's own refusal, by a limit on the size of a file."""
    world.check_out()
    before = world.files()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60, hard))
    try:
        with pytest.raises(WriteError, match=r"File too large.*The folder is as it was\."):
            world.apply()
        with pytest.raises(WriteError, match="as it was"):
            world.apply(into=world.root / "new" / "folder")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert world.files() == before
    assert not (world.root / "new").exists()


def test_an_edit_after_a_kill_is_left_alone_when_the_run_is_finished(tree: Path) -> None:
    (tree / "b.py").write_bytes(b"1\n")
    _leave_journal(
        tree, [Change("a.py", b"x.cuda()\n", b"x.sdaa()\n"), Change("b.py", b"1\n", b"2\n")]
    )
    (tree / "b.py").write_bytes(b"mine\n")
    assert recover(tree)
    assert not recover(tree)
    assert (tree / "a.py").read_bytes() == b"x.sdaa()\n"
    assert (tree / "b.py").read_bytes() == b"mine\n"


@pytest.mark.parametrize(
    "text",
    [
        b"{",
        b"[]",
        b'{"steps": [{"path": "../a", "staged": "", "before": "", "after": ""}],'
        b' "folders": [], "kept": [], "leave": false}',
        b'{"steps": [], "folders": ["/"], "kept": [], "leave": false}',
        b'{"steps": [{"other": 1}], "folders": [], "kept": [], "leave": false}',
    ],
    ids=["no JSON", "a list", "a path that leaves", "a folder that leaves", "unknown keys"],
)
def test_a_damaged_journal_is_named(text: bytes, tree: Path) -> None:
    (tree / JOURNAL_PATH).parent.mkdir()
    (tree / JOURNAL_PATH).write_bytes(text)
    with pytest.raises(TreeStateError, match=r"journal\.json is damaged"):
        read_journal(tree)


def _leave_journal(tree: Path, changes: list[Change]) -> None:
    """What a run leaves that was killed just after it had written its journal."""
    commit(tree, Journal(tuple(stage(tree, STAGED_DIR, changes)), leave=True))
