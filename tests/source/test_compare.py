from __future__ import annotations

import pytest

from porter.source import ArchiveTree
from porter.source.compare import differences

from .helpers import RELEASE, make_archive

MIM = {"mmcv/.mim/tools/train.sh": b"python train.py\n"}


def tree(files: dict[str, bytes]) -> ArchiveTree:
    return ArchiveTree("mmcv", "2.1.0", make_archive(files))


@pytest.mark.parametrize(
    ("change", "found"),
    [
        pytest.param({}, [], id="the release itself"),
        pytest.param({"mmcv/version.py": b""}, ["mmcv/version.py"], id="a changed module"),
        pytest.param({"setup.py": b""}, ["setup.py"], id="a changed setup.py"),
        pytest.param({"README.md": b""}, [], id="a file outside the package"),
        pytest.param({"mmcv.egg-info/PKG-INFO": b""}, [], id="what building leaves"),
        pytest.param({"mmcv/README.md": b""}, [], id="a text that the archive leaves out"),
        pytest.param({"mmcv/new.py": b""}, ["mmcv/new.py"], id="a module the release lacks"),
        pytest.param(
            {"mmcv/version/__init__.py": b""},
            ["mmcv/version/__init__.py"],
            id="a package that shadows a module",
        ),
        pytest.param({"mmcv/configs/a.py": b""}, [], id="a module in a folder that is no package"),
    ],
)
def test_the_code_is_compared(change: dict[str, bytes], found: list[str]) -> None:
    assert differences(tree(RELEASE | change), tree(RELEASE)) == found


def test_a_file_that_is_gone_is_a_difference() -> None:
    partial = {path: text for path, text in RELEASE.items() if path != "mmcv/version.py"}
    assert differences(tree(partial), tree(RELEASE)) == ["mmcv/version.py"]


@pytest.mark.parametrize(
    ("files", "found"),
    [
        pytest.param({"tools/train.sh": b"python train.py\n"}, [], id="as git has it"),
        pytest.param(MIM, [], id="as the archive has it"),
        pytest.param({"tools/train.sh": b"rm"}, [*MIM], id="changed where git has it"),
        pytest.param({}, [*MIM], id="nowhere"),
    ],
)
def test_what_the_archive_copies_to_mim_is_looked_for_at_the_top(
    files: dict[str, bytes], found: list[str]
) -> None:
    assert differences(tree(RELEASE | files), tree(RELEASE | MIM)) == found
