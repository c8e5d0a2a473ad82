"""mmcv's operators, really built: once for each content, in the cache that the tests share.

A test module gets the fixtures by ``from tests.verify.ops_fixture import mmcv_ops`` and its like,
or by naming this module in ``pytest_plugins``.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from porter.source import Cache, fetch, known_pin
from porter.verify.launch.interpreter import Interpreter, probe
from porter.verify.ops import build_ops
from porter.verify.watch import Silent

#: The pins that SDAA's port is tested on, and those that run beside the other releases of mmcv.
MMENGINE = "0.10.5"
MMCV = "2.1.0"


@pytest.fixture(scope="session")
def torch_python() -> Interpreter:
    """The Python that the tests train with: this one, or ``$PORTER_TEST_PYTHON``."""
    chosen = os.environ.get("PORTER_TEST_PYTHON")
    if not chosen and importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed")
    return probe(Path(chosen or sys.executable))


@pytest.fixture(scope="session")
def release(
    upstream_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, str], Path]:
    """A release unpacked, by its package and version: the folder that holds the package."""
    unpacked: dict[tuple[str, str], Path] = {}

    def unpack(package: str, version: str) -> Path:
        root = tmp_path_factory.mktemp(f"{package}-{version}-")
        [tree] = fetch([known_pin(package, version)], Cache(upstream_cache))
        for path in tree.paths():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(tree.read(path))
        return root

    def get(package: str, version: str) -> Path:
        if (package, version) not in unpacked:
            unpacked[package, version] = unpack(package, version)
        return unpacked[package, version]

    return get


@pytest.fixture(scope="session")
def mmcv_trees(release: Callable[[str, str], Path]) -> Mapping[str, Path]:
    """mmengine and mmcv as released, each in a folder to import it from."""
    return {"mmengine": release("mmengine", MMENGINE), "mmcv": release("mmcv", MMCV)}


@pytest.fixture(scope="session")
def mmcv_ops(
    mmcv_trees: Mapping[str, Path], torch_python: Interpreter, upstream_cache: Path
) -> Path:
    """The folder with ``_ext`` of mmcv's CPU operators; a minute or two when it is first built."""
    return build_ops(mmcv_trees["mmcv"], torch_python, Cache(upstream_cache), Silent())
