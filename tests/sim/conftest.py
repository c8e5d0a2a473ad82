"""Simulated processes: each has its own Python, since a process can simulate one chip."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]

HEAD = """
[target]
name = "{name}"
vendor = "Tecorigin"
chip = "T1"
summary = "for tests"

[torch]
family = "plugin"
device = "sdaa"
plugin = "torch_sdaa"
backend = "tccl"
amp_dtypes = ["float16"]

[traits]
own-device = "for tests"
own-typed-tensors = "for tests"
own-grad-scaler = "for tests"
peak-memory-statistics = "for tests"
device-name-missing = "for tests"

[pins.default]
mmengine = "0.10.5"

[simulate]
"""


@pytest.fixture(scope="session")
def make_target(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A target file with this ``[simulate]`` table."""
    made: dict[str, Path] = {}

    def make(simulate: str) -> Path:
        if simulate not in made:
            name = f"chip{len(made)}"
            made[simulate] = tmp_path_factory.mktemp("targets") / f"{name}.toml"
            made[simulate].write_text(HEAD.format(name=name) + simulate, encoding="utf-8")
        return made[simulate]

    return make


@pytest.fixture(scope="session")
def python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run this Python with arguments; torch computes on one thread."""

    def run(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), **variables}
        return subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=ROOT,
            env=env,
            capture_output=True,
            text=True,
            timeout=300,
        )

    return run


@pytest.fixture(scope="session")
def check(make_target: Any, python: Any) -> Callable[[str, str, str], None]:
    """Assert that a check of a module passes under a profile; the module runs once a session."""
    results: dict[tuple[str, str], dict[str, str]] = {}

    def passes(module: str, name: str, simulate: str) -> None:
        key = (module, simulate)
        if key not in results:
            done = python("-m", "tests.sim.harness", make_target(simulate), module)
            assert done.returncode == 0, done.stderr
            results[key] = json.loads(done.stdout.splitlines()[-1])
        assert not results[key][name], results[key][name]

    return passes
