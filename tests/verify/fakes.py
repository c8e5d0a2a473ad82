"""Runs that nobody trained: records as two sides would make them, to be bent by a test."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from porter.verify.model import (
    Counters,
    End,
    Failure,
    Place,
    Rank,
    Run,
    Settings,
    Start,
    Step,
    Verdict,
    Verification,
)

PARAMETERS = {
    "backbone.conv1.weight": 4.0,
    "neck.lateral.weight": 1.5,
    "bbox_head.cls.weight": 0.8,
    "bbox_head.cls.bias": 0.02,
    "bbox_head.offset.weight": 0.001,
}
SKETCHES = {name: (0.6 * norm, -0.3 * norm) for name, norm in PARAMETERS.items()}
METRICS = {"coco/bbox_mAP": 0.012, "coco/bbox_mAP_50": 0.031, "coco/bbox_mAP_s": -1.0}
DETECTIONS = {"000000000001.jpg": (7.0, 1.41, 62.5), "000000000002.jpg": (4.0, 0.93, 48.25)}


def losses(number: int, rank: int = 0) -> dict[str, float]:
    """What a small detector's losses look like: falling, rough, and of unlike sizes."""
    rough = 1 + 0.08 * math.sin(2.3 * number + rank) + 0.05 * math.cos(5.1 * number)
    parts = {
        "loss_cls": 1.1 * rough * math.exp(-number / 90),
        "loss_pts_init": 0.62 * rough * math.exp(-number / 60),
        "loss_pts_refine": 0.48 * (2 - rough) * math.exp(-number / 45),
    }
    return {"loss": sum(parts.values()), **parts}


def step(number: int, rank: int = 0, device: str = "cpu", **changes: object) -> Step:
    """A step of a healthy run on ``device``: on the host, or on a simulated chip."""
    place = "cpu" if device == "cpu" else f"{device}:{rank}"
    first = number == 1
    counters = Counters(5100, 74, 25, 1138 if first else 2 + 120 // number)
    made = Step(
        number=number,
        losses=losses(number, rank),
        grad_norm=9.0 * math.exp(-number / 80) + 0.4 * math.sin(1.7 * number),
        lr=(1e-3 * min(1.0, number / 10),),
        data=f"batch-{rank}-{number}",
        seconds=0.6,
        memory=0 if device == "cpu" else 64 << 20,
        devices={place: len(PARAMETERS)},
        modules=12,
        counters=None if device == "cpu" else counters,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def mixed(made: Step) -> Step:
    """The step as mixed precision records it."""
    return replace(made, low_precision=11, loss_scale=65536.0)


def rank(
    number: int = 0, steps: int = 20, device: str = "cpu", *, amp: bool = False, ranks: int = 1
) -> Rank:
    """A whole healthy rank."""
    made = [step(n, number, device) for n in range(1, steps + 1)]
    backend = ("gloo" if device == "cpu" else "tccl") if ranks > 1 else ""
    return Rank(
        rank=number,
        start=Start(
            weights="w0",
            schedule="s0",
            environment={"python": "3.11.7", "torch": "2.13.0+cpu", "mmdet": "3.3.0"},
            wrapper="AmpOptimWrapper" if amp else "OptimWrapper",
            scaler=amp,
            backend=backend,
        ),
        steps=tuple(mixed(one) if amp else one for one in made),
        gradients=PARAMETERS,
        end=End(
            weights="w1",
            updates={name: norm / 100 for name, norm in PARAMETERS.items()},
            metrics=METRICS,
            detections=DETECTIONS,
            logged_memory=None if device == "cpu" else 64.0,
        ),
        sketches=SKETCHES,
    )


def run(device: str = "cpu", *, steps: int = 20, ranks: int = 1, amp: bool = False) -> Run:
    """A whole healthy run: upstream's on the host, or the port's on a simulated chip."""
    place: Place = "cpu" if device == "cpu" else "sim"
    made = tuple(rank(n, steps, device, amp=amp, ranks=ranks) for n in range(ranks))
    return Run(place, device, amp, made)


def each_rank(made: Run, change: Callable[[Rank], Rank]) -> Run:
    """The run with every rank changed."""
    return replace(made, ranks=tuple(map(change, made.ranks)))


def each_step(made: Run, change: Callable[[Step], Step]) -> Run:
    """The run with every step of every rank changed."""
    return each_rank(made, lambda one: replace(one, steps=tuple(map(change, one.steps))))


def at_step(made: Run, number: int, change: Callable[[Step], Step]) -> Run:
    """The run with one step of every rank changed."""
    return each_step(made, lambda one: change(one) if one.number == number else one)


def scaled(one: Step, factor: float, names: Sequence[str] = ()) -> Step:
    """The step with its losses, or those of some names, multiplied."""
    changed = {
        name: value * (factor if not names or name in names else 1)
        for name, value in one.losses.items()
    }
    return replace(one, losses=changed)


def write_records(made: Rank, folder: Path, failure: Failure | None = None) -> Path:
    """``rank-<R>.jsonl`` as the training process writes it."""
    lines: list[Mapping[str, object]] = []
    if made.start:
        lines.append({"kind": "start", **asdict(made.start)})
    lines += [{"kind": "step", **asdict(one)} for one in made.steps]
    if made.gradients:
        lines.insert(
            2, {"kind": "gradients", "norms": dict(made.gradients), "sketches": dict(made.sketches)}
        )
    if made.end:
        lines.append({"kind": "end", **asdict(made.end), "checkpoint": ""})
    if failure := failure or made.failure:
        ended = asdict(failure)
        lines.append({"kind": "failure", "error": ended.pop("kind"), **ended})
    path = folder / f"rank-{made.rank}.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def verification(baselines: Sequence[Run], ported: Run, verdict: Verdict) -> Verification:
    """A verification of these runs, as if RepPoints had been trained for SDAA."""
    ranks = len(ported.ranks)
    steps = max((len(one.steps) for one in baselines[0].ranks), default=0)
    config = "reppoints/reppoints-moment_r50_fpn_1x_coco.py"
    return Verification(
        target="sdaa",
        chip="Tecorigin T1",
        device="sdaa",
        backend="tccl",
        settings=Settings(
            "reppoints", config, steps=steps, nproc=ranks, options={"model.depth": 18}
        ),
        amp=ported.amp,
        versions={"mmengine": "0.10.5", "mmcv": "2.1.0", "mmdet": "3.3.0"},
        digests={"rules": "3f" * 32, "tree mmcv": "a0" * 32, "data": "77" * 32},
        baselines=tuple(baselines),
        ported=ported,
        repeats=(),
        verdict=verdict,
        command=f"porter verify reppoints --target sdaa --steps {steps} --nproc {ranks}",
        notes=("A simulated chip proves wiring, not the chip's numerics.",),
    )
