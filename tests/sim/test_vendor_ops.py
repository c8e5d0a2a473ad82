"""mmcv operators that a vendor ships, and those of torch_npu."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from porter.rulebook.catalog import get_target
from tests.sim.harness import names

pytestmark = pytest.mark.torch

SHIPPED = (
    'device_count = 2\nvendor_mmcv_ops = ["nms", "roi_align"]\n'
    'clone_only_mmcv_ops = ["roi_align"]\n'
)


@pytest.mark.parametrize("name", names("mmcv"))
def test_mmcv_ops(name: str, check: Callable[[str, str, str], None]) -> None:
    check("mmcv", name, SHIPPED)


@pytest.fixture(scope="module")
def npu(python: Any) -> dict[str, str]:
    done = python("-m", "tests.sim.harness", Path(get_target("npu").path), "npu")
    assert done.returncode == 0, done.stderr
    results: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return results


@pytest.mark.parametrize("name", names("npu"))
def test_npu(name: str, npu: dict[str, str]) -> None:
    assert not npu[name], npu[name]
