"""Two processes of a simulated chip, over the target's own backend, started by torchrun."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.torch

SCRIPT = Path(__file__).with_name("ddp_script.py")
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")


def test_two_ranks_train_over_tccl(python: Any, make_target: Any) -> None:
    target = make_target("device_count = 2\n")
    done = python("-m", "porter.sim", "--target", target, *TORCHRUN, SCRIPT, "tccl")
    assert done.returncode == 0, done.stderr[-4000:]
    assert sorted(done.stdout.splitlines()) == ["rank 0 is done", "rank 1 is done"]


def test_an_unknown_backend_is_torchs_own_error(python: Any, make_target: Any) -> None:
    target = make_target("device_count = 2\n")
    done = python("-m", "porter.sim", "--target", target, *TORCHRUN, SCRIPT, "eccl")
    assert done.returncode != 0
    assert "eccl" in done.stderr
