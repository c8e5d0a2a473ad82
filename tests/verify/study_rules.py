"""What ``porter verify`` says when one of SDAA's rules is left out, rule by rule.

    python -m tests.verify.study_rules RESULTS.json [NAME...]

Trains for each rule the runs that reach what it changes, and writes after each what came of it;
what RESULTS.json has already is not done again. ``docs/verify-rules.md`` rests on it.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from porter.errors import CouldNotRun
from porter.source import Cache
from tests.verify.world import World, dependents, failed, once_a_process, training_python


@dataclass(frozen=True)
class Case:
    """Rules that are left out together with all that need them, and a run.

    Attributes:
        run: Fields of a verification's request, and the model.
    """

    rules: tuple[str, ...]
    model: str = "reppoints"
    run: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Which rules, and how the run would be asked for on the command line."""
        words = [
            f"--{key}" if value is True else f"{key}={value}" for key, value in self.run.items()
        ]
        return " ".join((", ".join(self.rules), "in", self.model, *words))


def case(rules: str, model: str = "reppoints", **run: Any) -> Case:
    """A case of space-separated rules."""
    return Case(tuple(rules.split()), model, run)


NCCL = {"env_cfg.dist_cfg.backend": "nccl"}
#: No run of a training reaches what these change: all of them are left out at once.
UNREACHED = (
    "mmcv/current-device mmcv/device-flags mmcv/focal-loss-tensor-types mmcv/tensors-like-the-input "
    "mmdet/benchmark-memory mmdet/companions-of-cuda mmdet/cpu-by-device-type mmdet/default-device "
    "mmdet/focal-loss-pytorch-path mmdet/gloo-group mmdet/index-types mmdet/out-of-memory "
    "mmdet/track-data-sample-companion mmengine/amp-sharded-grad-scaler "
    "mmengine/collect-env-unnamed mmengine/device-methods mmengine/dist-broadcast-object "
    "mmengine/dist-broadcast-object-tensor mmengine/dist-gather-object mmengine/dist-mpi-launcher "
    "mmengine/dist-slurm-launcher mmengine/dist-slurm-local-rank mmengine/empty-cache-hook "
    "mmengine/logger-device-id mmengine/random-seed mmengine/time-counter "
    "mmengine/time-counter-context"
)

CASES = (
    case("mmengine/device-available"),
    case("mmdet/point-assigner-device"),
    case("mmcv/deform-conv-on-host"),
    case("mmengine/log-memory"),
    case("mmengine/device-max-memory"),
    case("mmengine/amp-available", amp=True),
    case("mmengine/amp-grad-scaler", amp=True),
    case("mmengine/autocast-bf16", amp=True),
    case("mmengine/instance-data-index", eval=True),
    case("mmengine/checkpoint-objects", resume=True),
    case("mmengine/dist-pytorch-launcher", nproc=2),
    case("mmengine/dist-comm-device", nproc=2),
    case("mmdet/config-backend", nproc=2),
    case("mmengine/dist-backend", nproc=2),
    case("mmengine/dist-backend", nproc=2, options=NCCL),
    case("mmengine/dist-backend mmdet/config-backend", nproc=2),
    case("mmdet/accelerator-calls", "faster_rcnn"),
    case("mmcv/roi-align-own-input", "faster_rcnn"),
    case("mmdet/accelerator", "faster_rcnn"),
    case("mmcv/host-fallback", "centernet"),
    case("mmcv/ms-deform-attn-pytorch-path", "deformable_detr"),
    case("mmcv/ms-deform-attn-pytorch-path", "deformable_detr", amp=True),
    case("mmdet/autocast-off", "yolox", amp=True),
    case(UNREACHED, eval=True),
    case(UNREACHED, "mask_rcnn", amp=True),
    case(UNREACHED, "retinanet", nproc=2),
)


def outcome(world: World, one: Case) -> dict[str, Any]:
    """What the verification says: its outcome, and the checks that failed."""
    out = sorted(dependents(one.rules))
    began = time.monotonic()
    try:
        found = world.verify(world.without(*out), one.model, **one.run)
        said = {name: check.detail for name, check in failed(found).items()}
        result: dict[str, Any] = {"outcome": found.verdict.outcome, "failed": said}
    except CouldNotRun as error:
        result = {"outcome": "could not run", "failed": {"": error.message}}
    seconds = round(time.monotonic() - began, 1)
    also = [rule for rule in out if rule not in one.rules]
    return {**result, "also without": also, "seconds": seconds}


def main(results: Path, *names: str) -> None:
    """Carry out the cases that are not in the file yet, or those whose name holds a word."""
    known = json.loads(results.read_text(encoding="utf-8")) if results.exists() else {}
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as root:
        once_a_process(patch)
        world = World(Cache(), Path(root), training_python())
        for one in CASES:
            if one.name in known or (names and not any(name in one.name for name in names)):
                continue
            known = json.loads(results.read_text(encoding="utf-8")) if results.exists() else {}
            known[one.name] = outcome(world, one)
            print(one.name, json.dumps(known[one.name], indent=1), flush=True)
            results.write_text(json.dumps(known, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
