"""Every kind of entry in a ``[simulate]`` table does what it says."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import pytest

from tests.sim.harness import CHECKS, names

pytestmark = pytest.mark.torch


def profile() -> str:
    """``SIMULATE`` of the checks, read without importing them: they need torch."""
    tree = ast.parse((CHECKS / "gaps.py").read_text(encoding="utf-8"))
    (value,) = (
        n.value
        for n in tree.body
        if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "SIMULATE"
    )
    return str(ast.literal_eval(value))


@pytest.mark.parametrize("name", names("gaps"))
def test_gap(name: str, check: Callable[[str, str, str], None]) -> None:
    check("gaps", name, profile())


@pytest.mark.parametrize(
    ("simulate", "key", "near"),
    [
        pytest.param('no_kernel = ["aten::nonzer"]', "no_kernel", "aten::nonzero", id="misspelt"),
        pytest.param(
            'no_kernel = ["aten::softmax"]', "no_kernel", "aten::_softmax", id="composed of others"
        ),
        pytest.param(
            'contiguous_only = ["aten::add.Nope"]',
            "contiguous_only",
            "aten::add",
            id="no such overload",
        ),
        pytest.param('dynamic_shape_ops = ["aten::nms"]', "dynamic_shape_ops", "", id="not aten's"),
        pytest.param('sync_ops = ["aten::items"]', "sync_ops", "", id="a method, not an operator"),
        pytest.param(
            'dtype_gaps = [{ op = "aten::summ", dtype = "int64" }]',
            "dtype_gaps",
            "aten::sum",
            id="in a gap",
        ),
    ],
)
def test_an_entry_that_matches_no_operator_is_an_error(
    simulate: str, key: str, near: str, make_target: Any, python: Any
) -> None:
    target = make_target(simulate)
    done = python("-m", "porter.sim", "--target", target, __file__)
    assert done.returncode == 4
    assert f"{target}: simulate.{key}: no operator with a kernel is named" in done.stderr
    assert near in done.stderr
    assert "Traceback" not in done.stderr
