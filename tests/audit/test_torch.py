"""What the audit says of `torch.cuda` without CUDA, asked of torch itself."""

from __future__ import annotations

import subprocess
import sys

import pytest

from porter.audit.judge import QUIET, WEAK

pytestmark = pytest.mark.torch

RAISES = (
    *("synchronize()", "current_device()", "current_stream()", "set_device(0)", "Stream()"),
    *("get_device_name()", "reset_peak_memory_stats()", "ipc_collect()", "FloatTensor(3)"),
)
ASK = """
import sys, warnings
warnings.simplefilter("ignore")
import torch
if torch.cuda.is_available():
    sys.exit("there is CUDA here")
for call in sys.argv[1:]:
    try:
        eval(call)
        print("quiet")
    except Exception:
        print("raises")
"""


def answers(calls: list[str]) -> list[str]:
    command = [sys.executable, "-c", ASK, *calls]
    done = subprocess.run(command, capture_output=True, text=True)
    if "there is CUDA here" in done.stderr:
        pytest.skip("there is CUDA here")
    return done.stdout.split()


def test_quiet_and_weak_functions_do_not_raise_and_open_ones_do() -> None:
    arguments = {"manual_seed": "1", "manual_seed_all": "1"}
    quiet = [f"{name}({arguments.get(name.split('.')[-1], '')})" for name in (*QUIET, *WEAK)]
    loud = [f"torch.cuda.{call}" for call in RAISES]
    loud += ["torch.zeros(1).cuda()", "torch.zeros(1, device='cuda')"]
    found = dict(zip([*quiet, *loud], answers([*quiet, *loud])))
    assert found == dict.fromkeys(quiet, "quiet") | dict.fromkeys(loud, "raises")
