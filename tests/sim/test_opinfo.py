"""ATen operators against the CPU, forward and backward, bit for bit."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytestmark = pytest.mark.torch

#: Not bit for bit, and why.
UNSTABLE = {
    "linalg.lstsq": "LAPACK answers differently from one call to the next, on the CPU too",
    "linalg.lstsq.grad_oriented": "as above",
    "nn.functional.scaled_dot_product_attention": "torch takes its plain formula on a plugin's "
    "device, and a fused kernel on the CPU: equal up to rounding",
}


@pytest.fixture(autouse=True)
def _samples() -> None:
    """PyTorch's samples are in its own test utilities, which want one more package."""
    pytest.importorskip("expecttest")


def compare(python: Any, *options: object) -> dict[str, Any]:
    done = python("-m", "tests.sim.opinfo", "mlu", *options)
    assert done.returncode == 0, done.stderr[-3000:]
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    failed = {name: why for name, why in report["failed"].items() if name not in UNSTABLE}
    assert not failed
    assert report["bytes"] == 0, "memory returns to zero"
    return report


def test_hundreds_of_operators_are_the_cpus_bit_for_bit(python: Any) -> None:
    report = compare(python, "--most", 2, "--seconds", 60)
    assert sum(1 for count in report["samples"].values() if count) >= 300
    assert len(report["calls"]) >= 250


@pytest.mark.slow
def test_all_operators_with_more_samples(python: Any) -> None:
    report = compare(python, "--most", 10)
    assert report["left"] == 0
    assert sum(report["samples"].values()) >= 4000
