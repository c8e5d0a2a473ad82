"""What is asked of a verification."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from porter.model import Target
from porter.verify.launch.process import Ranks

#: The values of ``--device``: ``auto`` takes the chip, else the simulated one, else the host.
Device = Literal["auto", "real", "sim", "cpu"]


@dataclass(frozen=True)
class Request:
    """A verification to make.

    Attributes:
        model: An alias, an mmdet config's name or path, or a recipe's path.
        into: The folder with the ported packages.
        make: Whether to port the model's own default releases where ``into`` is not there.
        target: None for the one that the folder's manifest names.
        targets: All targets by name, to find that one.
        python: The interpreter that trains.
        steps: None, as for the three below, for the recipe's.
        threads: Of torch on the host, in each process. More than one is faster on an idle
            machine, and many times slower on a busy one, where they wait for each other.
        amp: Train the ported tree under automatic mixed precision.
        resume: Save and end after half the steps, and go on from there in a new process.
        repeat: How many times each side trains.
        limits: Threshold -> fraction, where the user changed one.
        keep: Where to keep what the processes wrote, checkpoints too; None to delete it.
        command: How the user called porter, for the report.
    """

    model: str
    into: Path
    targets: Mapping[str, Target]
    target: Target | None = None
    device: Device = "auto"
    python: Path = Path(sys.executable)
    ranks: Ranks = field(default_factory=Ranks)
    steps: int | None = None
    batch_size: int | None = None
    image_size: int | None = None
    lr: float | None = None
    seed: int = 0
    threads: int = 1
    amp: bool = False
    make: bool = False
    eval: bool = False
    resume: bool = False
    repeat: int = 1
    options: Mapping[str, object] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)
    offline: bool = False
    keep: Path | None = None
    command: str = ""
