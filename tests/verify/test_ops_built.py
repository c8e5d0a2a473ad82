"""mmcv's operators as they are built: each function is there, and computes what it should."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from porter.source import Cache
from porter.verify.launch.interpreter import Interpreter
from porter.verify.ops import build_ops
from porter.verify.watch import Silent
from tests.verify.ops_checks import CHECKS
from tests.verify.ops_fixture import mmcv_ops, mmcv_trees, release, torch_python

__all__ = ["mmcv_ops", "mmcv_trees", "release", "torch_python"]

SCRIPT = Path(__file__).with_name("ops_checks.py")

pytestmark = [pytest.mark.torch, pytest.mark.upstream, pytest.mark.slow]


def run_checks(python: Interpreter, ops: Path, *roots: Path) -> dict[str, str]:
    """Check -> its error, empty if it holds."""
    done = subprocess.run(
        [str(python.executable), str(SCRIPT), str(ops), *map(str, roots)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "TORCH_DEVICE_BACKEND_AUTOLOAD": "0"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    results: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return results


@pytest.fixture(scope="module")
def results(
    torch_python: Interpreter, mmcv_ops: Path, mmcv_trees: Mapping[str, Path]
) -> Mapping[str, str]:
    return run_checks(torch_python, mmcv_ops, *mmcv_trees.values())


@pytest.mark.parametrize("name", CHECKS)
def test_the_operator(name: str, results: Mapping[str, str]) -> None:
    assert not results[name], results[name]


@pytest.mark.skipif(
    not os.environ.get("PORTER_TEST_ALL_OPS"),
    reason="builds another mmcv for minutes: set PORTER_TEST_ALL_OPS=1",
)
@pytest.mark.parametrize("version", ["2.0.0", "2.0.1", "2.2.0"])
def test_other_releases(
    version: str,
    torch_python: Interpreter,
    release: Callable[[str, str], Path],
    mmcv_trees: Mapping[str, Path],
    upstream_cache: Path,
) -> None:
    tree = release("mmcv", version)
    ops = build_ops(tree, torch_python, Cache(upstream_cache), Silent())
    failed = run_checks(torch_python, ops, tree, mmcv_trees["mmengine"])
    assert [name for name, error in failed.items() if error] == []
