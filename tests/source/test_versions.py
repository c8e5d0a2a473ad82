from __future__ import annotations

from pathlib import Path

import pytest

from porter.errors import TreeStateError
from porter.source.versions import read_version

from .helpers import write_files


@pytest.mark.parametrize(
    ("files", "version"),
    [
        pytest.param({"mmcv/version.py": "__version__ = '2.1.0'"}, "2.1.0", id="as upstream"),
        pytest.param({"mmcv/version.py": "x = __version__ = '1'"}, "1", id="two names at once"),
        pytest.param(
            {"mmcv/version.py": "raise SystemExit\n__version__ = '1'"}, "1", id="never imported"
        ),
        pytest.param({"mmcv/__init__.py": "__version__ = '0.1'"}, "0.1", id="in the package"),
        pytest.param(
            {"mmcv/__init__.py": "", "setup.py": "setup(name='apex', version='0.1')"},
            "0.1",
            id="in setup.py",
        ),
        pytest.param(
            {"mmcv/__init__.py": "", "setup.py": "setup(version=get_version())"},
            "",
            id="computed in setup.py",
        ),
        pytest.param(
            {"mmcv/__init__.py": "", "mmcv-0.1.dist-info/METADATA": ""}, "0.1", id="by a wheel"
        ),
        pytest.param(
            {"mmcv/__init__.py": "", "mmcv-0.1+corex-py3.7-linux_aarch64.egg-info": ""},
            "0.1+corex",
            id="by setup.py install",
        ),
        pytest.param(
            {"mmcv/__init__.py": "", "mmcv-full-0.1.dist-info/METADATA": ""}, "", id="another's"
        ),
        pytest.param({"mmcv/__init__.py": ""}, "", id="nowhere"),
    ],
)
def test_the_version_is_read(tmp_path: Path, files: dict[str, str], version: str) -> None:
    write_files(tmp_path, {path: text.encode() for path, text in files.items()})
    assert read_version(tmp_path, "mmcv") == version


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param(b"", "there is no `__version__", id="an empty file"),
        pytest.param(b"__version__ = read()", "there is no `__version__", id="computed"),
        pytest.param(b"__version__ = '2.1", "not valid Python", id="cut short"),
        pytest.param(b"\0", "not valid Python", id="a null byte"),
    ],
)
def test_a_version_file_without_a_version_is_an_error_that_names_it(
    tmp_path: Path, text: bytes, reason: str
) -> None:
    write_files(tmp_path, {"mmcv/version.py": text})
    with pytest.raises(TreeStateError, match=f"mmcv/version.py: the version .* {reason}"):
        read_version(tmp_path, "mmcv")
