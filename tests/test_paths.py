"""Which files the ``files`` of a rule name."""

from __future__ import annotations

import pytest

from porter.plan.paths import placed, select

PATHS = sorted(
    [
        "mmdet/__init__.py",
        "mmdet/.mim/configs/_base_/run.py",
        "mmdet/.mim/tools/train.py",
        "mmdet/configs/run.py",
        "mmdet/models/a.py",
        "mmdet/models/heads/b.py",
        "setup.py",
    ]
)


@pytest.mark.parametrize(
    ("patterns", "found"),
    [
        pytest.param(["setup.py"], ["setup.py"], id="a path"),
        pytest.param(["setup.py", "mmdet/models/a.py"], ["mmdet/models/a.py", "setup.py"], id="paths come sorted"),
        pytest.param(["mmdet/gone.py"], [], id="a path that is not there"),
        pytest.param(["mmdet/models/*.py"], ["mmdet/models/a.py"], id="a star stays in its folder"),
        pytest.param(["mmdet/models/**/*.py"], ["mmdet/models/a.py", "mmdet/models/heads/b.py"], id="two stars do not"),
        pytest.param(["**/a.py", "setup.py"], ["mmdet/models/a.py", "setup.py"], id="globs and paths together"),
        pytest.param(["tools/train.py"], ["mmdet/.mim/tools/train.py"], id="tools are found where a release keeps them"),
        pytest.param(["configs/**/*.py"], ["mmdet/.mim/configs/_base_/run.py"], id="and configs by a glob"),
    ],
)  # fmt: skip
def test_select(patterns: list[str], found: list[str]) -> None:
    assert select(patterns, PATHS, "mmdet") == found


def test_tools_at_the_top_of_a_checkout() -> None:
    assert select(["tools/train.py"], ["setup.py", "tools/train.py"], "mmdet") == ["tools/train.py"]


@pytest.mark.parametrize(
    ("path", "paths", "place"),
    [
        pytest.param("configs/a.py", PATHS, "mmdet/.mim/configs/a.py", id="with a release's configs"),
        pytest.param("configs/a.py", ["configs/b.py", *PATHS], "configs/a.py", id="at the top, where a checkout has them"),
        pytest.param("configs/a.py", ["mmdet/__init__.py", "setup.py"], "configs/a.py", id="at the top, where there are none"),
        pytest.param("mmdet/a.py", PATHS, "mmdet/a.py", id="a module stays"),
        pytest.param("configs/x/x.py", ["mmdet/__init__.py", "mmdet/models/a.py"], "mmdet/.mim/configs/x/x.py", id="nothing beside an installed package"),
    ],
)  # fmt: skip
def test_a_new_file_goes_where_its_like_are(path: str, paths: list[str], place: str) -> None:
    assert placed(path, paths, "mmdet") == place
