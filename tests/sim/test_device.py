"""The simulated device behaves as a PyTorch device does."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.sim.harness import names

pytestmark = pytest.mark.torch

TWO_DEVICES = "device_count = 2\n"


@pytest.mark.parametrize("name", names("basics"))
def test_device(name: str, check: Callable[[str, str, str], None]) -> None:
    check("basics", name, TWO_DEVICES)
