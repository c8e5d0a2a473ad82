"""The two trees of a comparison, from the real releases."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from porter.apply import Request, apply
from porter.errors import CouldNotRun, TreeStateError, UsageError
from porter.source import Cache, fetch, known_pin
from porter.verify.subject import find_target, pin_set_of
from porter.verify.trees import PACKAGES, Folder, open_folder, tree_digest, upstream_trees
from tests.helpers import all_rules, all_targets

upstream = pytest.mark.upstream
VERSIONS = {"mmengine": "0.10.5", "mmcv": "2.1.0", "mmdet": "3.3.0"}


@pytest.fixture(scope="module")
def vendor(tmp_path_factory: pytest.TempPathFactory, upstream_cache: Path) -> Path:
    into = tmp_path_factory.mktemp("port") / "vendor"
    apply(Request(all_targets()["sdaa"], tuple(all_rules()), into), Cache(upstream_cache))
    return into


@pytest.fixture
def cache(tmp_path: Path, upstream_cache: Path) -> Cache:
    """A cache that has the archives and nothing else."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "archives").symlink_to(upstream_cache / "archives")
    return Cache(tmp_path / "cache")


@upstream
def test_upstream_is_unpacked_as_released(vendor: Path, cache: Cache) -> None:
    trees = upstream_trees(open_folder(vendor), cache, offline=True)
    for package, version in VERSIONS.items():
        [release] = fetch([known_pin(package, version)], cache, offline=True)
        assert trees.digests[package] == tree_digest(release)
        for path in (f"{package}/__init__.py", "setup.py"):
            assert (trees.roots[package] / path).read_bytes() == release.read(path)
    assert trees.config("reppoints/reppoints-moment_r50_fpn_1x_coco.py").is_file()


@upstream
def test_a_damaged_unpacked_tree_is_written_anew(vendor: Path, cache: Cache) -> None:
    folder = open_folder(vendor)
    first = upstream_trees(folder, cache, offline=True)
    file = first.roots["mmdet"] / "mmdet/version.py"
    original = file.read_bytes()
    file.write_bytes(b"edited")
    shutil.rmtree(first.roots["mmcv"] / "mmcv" / "ops")
    second = upstream_trees(folder, cache, offline=True)
    assert second == first
    assert file.read_bytes() == original
    assert (second.roots["mmcv"] / "mmcv/ops/nms.py").is_file()
    assert not list((cache.root / "trees").glob("*.part"))


@upstream
def test_only_a_ported_package_has_another_digest(vendor: Path, cache: Cache) -> None:
    folder = open_folder(vendor)
    ported, released = folder.trees(), upstream_trees(folder, cache, offline=True)
    differ = {name for name in PACKAGES if ported.digests[name] != released.digests[name]}
    assert differ == {f.package for f in folder.manifest.files}  # type: ignore[union-attr]
    before = ported.digests["mmengine"]
    file = vendor / "mmengine/mmengine/runner/runner.py"
    content = file.read_bytes()
    file.write_bytes(content + b"#\n")
    try:
        assert open_folder(vendor).trees().digests["mmengine"] != before
    finally:
        file.write_bytes(content)


@upstream
def test_the_manifest_names_the_chip(vendor: Path) -> None:
    folder = open_folder(vendor)
    targets = all_targets()
    assert find_target(None, targets, folder) is targets["sdaa"]
    assert find_target(targets["npu"], targets, folder) is targets["npu"]
    assert pin_set_of(folder) == "default"
    with pytest.raises(UsageError, match="'sdaa', a target that is not known"):
        find_target(None, {}, folder)


def package(into: Path, name: str, version: str) -> None:
    (into / name / name).mkdir(parents=True)
    (into / name / name / "__init__.py").write_text(f"__version__ = '{version}'\n")


@pytest.mark.parametrize(
    ("have", "message"),
    [
        (None, "no such folder"),
        ((), "has no mmengine, mmcv, mmdet"),
        (("mmcv",), "has no mmengine, mmdet"),
    ],
    ids=["no folder", "an empty one", "one package"],
)
def test_without_all_packages_nothing_can_run(
    have: tuple[str, ...] | None, message: str, tmp_path: Path
) -> None:
    into = tmp_path / "into"
    if have is not None:
        into.mkdir()
        for name in have:
            package(into, name, "1.0")
    with pytest.raises(CouldNotRun, match=message):
        open_folder(into)


def test_an_unported_folder_needs_a_target(tmp_path: Path) -> None:
    for name in PACKAGES:
        package(tmp_path, name, "2.1")
    folder = open_folder(tmp_path)
    with pytest.raises(UsageError, match="was not ported by porter") as caught:
        find_target(None, all_targets(), folder)
    assert "--target" in caught.value.hint
    assert pin_set_of(folder) == "legacy"


def test_a_half_written_folder_is_refused(tmp_path: Path) -> None:
    for name in PACKAGES:
        package(tmp_path, name, "1.0")
    (tmp_path / ".porter").mkdir()
    (tmp_path / ".porter" / "journal.json").write_text("{")
    with pytest.raises(TreeStateError):
        open_folder(tmp_path)


def test_a_digest_is_of_paths_and_bytes(tmp_path: Path) -> None:
    package(tmp_path, "mmcv", "1.0")
    one = open_folder(tmp_path, ["mmcv"]).packages["mmcv"]
    line = hashlib.sha256(b"__version__ = '1.0'\n").hexdigest()
    expected = hashlib.sha256(f"mmcv/__init__.py\0{line}\n".encode()).hexdigest()
    assert tree_digest(one) == expected
    assert Folder(tmp_path, {"mmcv": one}, None).versions == {"mmcv": "1.0"}
