"""The simulated chip: a PyTorch device with a target's name and gaps, over host memory.

    >>> from porter.sim import install
    >>> install(target)                  # target: porter.model.Target
    >>> torch.ones(2, device="sdaa")

It proves wiring (devices, dtypes, missing operators, collectives), not a chip's numerics:
every kernel is the CPU's own. ``docs/simulated-chip.md`` says what follows from that.

torch is imported by the functions, not by this module, so that porter's command line can
name them without it.
"""

from __future__ import annotations

from porter.sim.build import build_chip
from porter.sim.install import Counters, counters, install, installed, op_calls, set_memory_limit
from porter.sim.run import open_shell, run_module, run_script
from porter.sim.spec import DtypeGap, Profile, Spec

__all__ = [
    "Counters",
    "DtypeGap",
    "Profile",
    "Spec",
    "build_chip",
    "counters",
    "install",
    "installed",
    "op_calls",
    "open_shell",
    "run_module",
    "run_script",
    "set_memory_limit",
]
