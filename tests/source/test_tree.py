from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from porter.errors import SourceError
from porter.source import ArchiveTree, FolderTree, Tree

from .helpers import RELEASE, make_archive, write_files

ABSENT = [
    pytest.param("mmcv/absent.py", id="a file that is not there"),
    pytest.param("mmcv", id="a folder"),
    pytest.param("", id="nothing"),
    pytest.param("/setup.py", id="an absolute path"),
    pytest.param("mmcv/../setup.py", id="a path that climbs"),
    pytest.param("../outside.py", id="a path that leaves"),
    pytest.param("./setup.py", id="another spelling"),
    pytest.param("setup.py/x", id="a path below a file"),
]


def in_archive(_folder: Path) -> Tree:
    return ArchiveTree("mmcv", "2.1.0", make_archive(RELEASE))


def in_folder(folder: Path) -> Tree:
    write_files(folder, {"outside.py": b"outside"})
    return FolderTree("mmcv", "2.1.0", write_files(folder / "mmcv-2.1.0", RELEASE))


BOTH = pytest.mark.parametrize(
    "make",
    [pytest.param(in_archive, id="in an archive"), pytest.param(in_folder, id="in a folder")],
)


@BOTH
def test_a_tree_has_the_files_of_the_release(tmp_path: Path, make: Callable[[Path], Tree]) -> None:
    tree = make(tmp_path)
    assert list(tree.paths()) == sorted(RELEASE)
    assert {path: tree.read(path) for path in tree.paths()} == RELEASE
    assert {tree.mode(path) & 0o700 for path in tree.paths()} == {0o600}


@BOTH
@pytest.mark.parametrize("path", ABSENT)
def test_what_is_not_in_the_tree_cannot_be_read(
    tmp_path: Path, make: Callable[[Path], Tree], path: str
) -> None:
    tree = make(tmp_path)
    with pytest.raises(KeyError):
        tree.read(path)
    with pytest.raises(KeyError):
        tree.mode(path)


def test_an_archive_is_opened_when_it_is_asked_and_not_before() -> None:
    tree = ArchiveTree("mmcv", "2.1.0", b"no archive")
    with pytest.raises(SourceError, match=r"the archive of mmcv 2\.1\.0 is refused"):
        tree.paths()


@pytest.mark.parametrize(
    "path",
    [
        "mmcv/__pycache__/version.cpython-311.pyc",
        "mmcv/_ext.cpython-311-x86_64-linux-gnu.so",
        ".git/config",
        ".porter/manifest.json",
        "build/lib/mmcv/version.py",
    ],
)
def test_what_running_and_building_leave_is_no_part_of_a_folder(tmp_path: Path, path: str) -> None:
    tree = FolderTree("mmcv", "2.1.0", write_files(tmp_path, RELEASE | {path: b"x"}))
    assert list(tree.paths()) == sorted(RELEASE)
    with pytest.raises(KeyError):
        tree.read(path)


def test_a_folder_named_build_deeper_down_is_part_of_the_tree(tmp_path: Path) -> None:
    tree = FolderTree("mmcv", "2.1.0", write_files(tmp_path, {"mmcv/build/a.py": b"x"}))
    assert list(tree.paths()) == ["mmcv/build/a.py"]


def test_in_site_packages_only_the_packages_own_folder_is_looked_at(tmp_path: Path) -> None:
    write_files(tmp_path, {"mmcv/a.py": b"a", "mmcv_other/b.py": b"b", "six.py": b"c"})
    tree = FolderTree("mmcv", "2.1.0", tmp_path, only="mmcv")
    assert list(tree.paths()) == ["mmcv/a.py"]
    with pytest.raises(KeyError):
        tree.read("six.py")


def test_links_are_neither_listed_nor_read(tmp_path: Path) -> None:
    outside = write_files(tmp_path / "outside", {"secret.py": b"secret"})
    root = write_files(tmp_path / "mmcv-2.1.0", RELEASE | {"configs/a.py": b"a"})
    (root / "mmcv" / ".mim").mkdir()
    (root / "mmcv" / ".mim" / "configs").symlink_to("../../configs")
    (root / "mmcv" / "link.py").symlink_to(outside / "secret.py")
    (root / "elsewhere").symlink_to(outside)
    tree = FolderTree("mmcv", "2.1.0", root)
    assert list(tree.paths()) == sorted(RELEASE | {"configs/a.py": b""})
    for path in ("mmcv/.mim/configs/a.py", "mmcv/link.py", "elsewhere/secret.py"):
        with pytest.raises(KeyError):
            tree.read(path)


def test_a_folder_is_read_as_it_is_now(tmp_path: Path) -> None:
    tree = FolderTree("mmcv", "2.1.0", write_files(tmp_path, RELEASE))
    tree.paths()
    write_files(tmp_path, {"setup.py": b"changed", "new.py": b"new"})
    (tmp_path / "setup.py").chmod(0o755)
    assert (tree.read("setup.py"), tree.mode("setup.py")) == (b"changed", 0o755)
    assert tree.read("new.py") == b"new"


def test_a_folder_that_is_gone_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="gone/ cannot be read: No such file"):
        FolderTree("mmcv", "2.1.0", tmp_path / "gone").paths()


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    assert list(FolderTree("mmcv", "2.1.0", tmp_path).paths()) == []
