from __future__ import annotations

import re
from pathlib import Path

import pytest

from porter.errors import SourceError, TreeStateError, UsageError
from porter.model import Pin
from porter.source import Cache, FolderTree, Tree, fetch, find_trees

from .helpers import RELEASE, commit_all, pin_of, release, write_files

PIN = Pin("mmcv", "2.1.0")


def from_folder(folder: Path, cache: Cache, *pins: Pin) -> list[Tree]:
    return fetch(pins or [PIN], cache, origin=str(folder))


def put_in_cache(cache: Cache, archive: bytes) -> Pin:
    pin = pin_of(archive)
    write_files(cache.archive_path(pin).parent, {cache.archive_path(pin).name: archive})
    return pin


@pytest.mark.parametrize(
    "place",
    [
        pytest.param(".", id="the checkout itself"),
        pytest.param("mmdet", id="in a folder named as the package"),
        pytest.param("mmdetection", id="in a folder named as the repository"),
        pytest.param("mmdet-3.3.0", id="in a folder named as the unpacked archive"),
    ],
)
def test_a_checkout_is_found(tmp_path: Path, cache: Cache, place: str) -> None:
    write_files(tmp_path / "src" / place, release("mmdet", "3.3.0"))
    (tree,) = from_folder(tmp_path / "src", cache, Pin("mmdet", "3.3.0"))
    assert (tree.package, tree.version) == ("mmdet", "3.3.0")
    assert list(tree.paths()) == sorted(release("mmdet", "3.3.0"))


def test_a_checkout_a_package_is_found_for_all(tmp_path: Path, cache: Cache) -> None:
    write_files(tmp_path / "src" / "mmcv", RELEASE)
    write_files(tmp_path / "src" / "mmdet", release("mmdet", "3.3.0"))
    trees = from_folder(tmp_path / "src", cache, Pin("mmdet", "3.3.0"), PIN)
    assert [tree.package for tree in trees] == ["mmdet", "mmcv"]


def test_a_pin_without_a_version_takes_what_is_there(tmp_path: Path, cache: Cache) -> None:
    (tree,) = from_folder(write_files(tmp_path, RELEASE), cache, Pin("mmcv", ""))
    assert tree.version == "2.1.0"


def test_a_package_that_says_no_version_has_the_pins(tmp_path: Path, cache: Cache) -> None:
    write_files(tmp_path, {"setup.py": b"setup()", "apex/__init__.py": b""})
    (tree,) = from_folder(tmp_path, cache, Pin("apex", "0.1"))
    assert tree.version == "0.1"


def test_a_clean_git_checkout_has_the_files_that_git_tracks(tmp_path: Path, cache: Cache) -> None:
    ignored = {".gitignore": b"data/\n*.log\n"}
    commit_all(write_files(tmp_path / "mmcv", RELEASE | ignored))
    write_files(tmp_path / "mmcv", {"data/coco.json": b"{}", "train.log": b""})
    (tree,) = from_folder(tmp_path / "mmcv", cache)
    assert list(tree.paths()) == sorted(RELEASE | ignored)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        pytest.param(
            {"mmcv/version.py": b"__version__ = '2.1.0' \n"}, "mmcv/version.py", id="edit"
        ),
        pytest.param({"mmcv/new.py": b""}, "mmcv/new.py", id="a file that git does not know"),
        pytest.param({"mmcv/读 写.py": b""}, "mmcv/读 写.py", id="a name with a blank, in Chinese"),
    ],
)
def test_a_git_checkout_with_changes_is_an_error_that_lists_them(
    tmp_path: Path, cache: Cache, change: dict[str, bytes], path: str
) -> None:
    commit_all(write_files(tmp_path / "mmcv", RELEASE))
    write_files(tmp_path / "mmcv", change)
    with pytest.raises(TreeStateError, match=r"mmcv 2\.1\.0 is not clean") as caught:
        from_folder(tmp_path / "mmcv", cache)
    assert caught.value.message.endswith(f":\n  {path}")


def test_a_git_checkout_that_lost_a_file_is_not_clean(tmp_path: Path, cache: Cache) -> None:
    commit_all(write_files(tmp_path / "mmcv", RELEASE))
    (tmp_path / "mmcv" / "mmcv" / "ops" / "roi_align.py").unlink()
    with pytest.raises(TreeStateError, match=r"\n  mmcv/ops/roi_align\.py"):
        from_folder(tmp_path / "mmcv", cache)


def test_of_many_changes_ten_are_listed(tmp_path: Path, cache: Cache) -> None:
    commit_all(write_files(tmp_path / "mmcv", RELEASE))
    write_files(tmp_path / "mmcv", {f"new{number:02}.py": b"" for number in range(14)})
    with pytest.raises(TreeStateError, match="14 files were changed") as caught:
        from_folder(tmp_path / "mmcv", cache)
    listed = caught.value.message.splitlines()[1:]
    assert listed == [f"  new{number:02}.py" for number in range(10)] + ["  and 4 more"]


def test_a_checkout_that_git_cannot_read_is_an_error(tmp_path: Path, cache: Cache) -> None:
    write_files(tmp_path, RELEASE | {".git/HEAD": b"damaged"})
    with pytest.raises(SourceError, match="git cannot read it"):
        from_folder(tmp_path, cache)


def test_a_folder_without_git_is_compared_with_the_cached_archive(
    tmp_path: Path, cache: Cache, archive: bytes
) -> None:
    pin = put_in_cache(cache, archive)
    folder = write_files(tmp_path / "mmcv", RELEASE | {"notes.txt": b"mine"})
    assert from_folder(folder, cache, pin)[0].version == "2.1.0"
    write_files(folder, {"mmcv/ops/roi_align.py": b"ported"})
    with pytest.raises(TreeStateError, match=r":\n  mmcv/ops/roi_align\.py"):
        from_folder(folder, cache, pin)


def test_another_version_than_asked_for_is_an_error_that_says_how_to_ask(
    tmp_path: Path, cache: Cache
) -> None:
    folder = write_files(tmp_path, RELEASE)
    with pytest.raises(SourceError, match=r"has mmcv 2\.1\.0, but 2\.2\.0 is asked") as caught:
        from_folder(folder, cache, Pin("mmcv", "2.2.0"))
    assert "--pin mmcv=2.1.0" in caught.value.hint


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path, cache: Cache) -> None:
    with pytest.raises(UsageError, match=re.escape(f"--from {tmp_path}/arhcive: there is no such")):
        from_folder(tmp_path / "arhcive", cache)


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({"README.md": b""}, id="nothing of the kind"),
        pytest.param({"mmcv/__init__.py": b"", "mmcv/version.py": b""}, id="an installed package"),
        pytest.param({"setup.py": b"", "mmcv/version.py": b""}, id="a folder that is no package"),
    ],
)
def test_a_folder_without_a_checkout_is_an_error_that_says_what_was_looked_for(
    tmp_path: Path, cache: Cache, files: dict[str, bytes]
) -> None:
    with pytest.raises(SourceError, match="there is no checkout of mmcv in it") as caught:
        from_folder(write_files(tmp_path, files), cache)
    assert "`setup.py` and `mmcv/__init__.py`" in caught.value.hint


def found(trees: dict[str, FolderTree]) -> dict[str, tuple[str, str]]:
    return {package: (tree.version, tree.only) for package, tree in trees.items()}


def test_packages_are_found_in_a_vendor_folder(tmp_path: Path) -> None:
    write_files(tmp_path / "mmcv", RELEASE)
    write_files(tmp_path / "mmdet", release("mmdet", "3.3.0"))
    trees = find_trees(tmp_path, ["mmengine", "mmcv", "mmdet"])
    assert found(trees) == {"mmcv": ("2.1.0", ""), "mmdet": ("3.3.0", "")}
    assert trees["mmcv"].root == tmp_path / "mmcv"
    assert list(trees["mmcv"].paths()) == sorted(RELEASE)


def test_a_package_is_found_in_its_checkout(tmp_path: Path) -> None:
    trees = find_trees(write_files(tmp_path, RELEASE), ["mmengine", "mmcv"])
    assert found(trees) == {"mmcv": ("2.1.0", "")}
    assert trees["mmcv"].root == tmp_path
    assert "setup.py" in trees["mmcv"].paths()


@pytest.mark.parametrize("more", [{}, {"setup.py": b"some wheel's"}], ids=["", "with a setup.py"])
def test_packages_are_found_where_pip_installs_them(tmp_path: Path, more: dict[str, bytes]) -> None:
    site = write_files(tmp_path / "site-packages", RELEASE | release("mmdet", "3.3.0"))
    (site / "setup.py").unlink()
    write_files(site, more | {"six.py": b"", "mmcv-2.1.0.dist-info/METADATA": b""})
    trees = find_trees(site, ["mmcv", "mmdet"])
    assert found(trees) == {"mmcv": ("2.1.0", "mmcv"), "mmdet": ("3.3.0", "mmdet")}
    assert list(trees["mmcv"].paths()) == sorted(set(RELEASE) - {"setup.py"})


@pytest.mark.parametrize("make", [True, False], ids=["an empty folder", "no folder"])
def test_where_nothing_is_nothing_is_found(tmp_path: Path, make: bool) -> None:
    folder = tmp_path / "vendor"
    if make:
        folder.mkdir()
    assert find_trees(folder, ["mmcv"]) == {}


def test_a_package_without_a_version_file_is_found(tmp_path: Path) -> None:
    write_files(tmp_path / "apex", {"setup.py": b"", "apex/__init__.py": b""})
    assert found(find_trees(tmp_path, ["apex"])) == {"apex": ("", "")}


def test_a_version_file_that_says_nothing_is_an_error(tmp_path: Path) -> None:
    write_files(tmp_path / "mmcv", RELEASE | {"mmcv/version.py": b""})
    with pytest.raises(TreeStateError, match=r"mmcv/version\.py: the version cannot be read"):
        find_trees(tmp_path, ["mmcv"])


@pytest.mark.parametrize("link", ["mmcv", "mmcv/mmcv"], ids=["the checkout", "the package"])
def test_a_package_behind_a_link_is_an_error_that_names_the_real_folder(
    tmp_path: Path, link: str
) -> None:
    real = write_files(tmp_path / "real", RELEASE)
    path = tmp_path / "vendor" / link
    path.parent.mkdir(parents=True)
    target = real if link == "mmcv" else real / "mmcv"
    path.symlink_to(target)
    with pytest.raises(TreeStateError, match="is a symbolic link") as caught:
        find_trees(tmp_path / "vendor", ["mmcv"])
    assert str(target) in caught.value.hint


def test_an_editable_checkout_is_read_without_what_its_links_lead_to(tmp_path: Path) -> None:
    write_files(tmp_path / "mmdet", release("mmdet", "3.3.0") | {"configs/a.py": b"a = 1\n"})
    mim = tmp_path / "mmdet" / "mmdet" / ".mim"
    mim.mkdir()
    (mim / "configs").symlink_to("../../configs")
    paths = find_trees(tmp_path, ["mmdet"])["mmdet"].paths()
    assert "configs/a.py" in paths
    assert not [path for path in paths if ".mim" in path]


def test_names_with_a_home_folder_are_understood(
    tmp_path: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write_files(tmp_path / "mmcv", RELEASE)
    assert from_folder(Path("~/mmcv"), cache)[0].version == "2.1.0"
