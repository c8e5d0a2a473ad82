"""What ``porter train`` and ``porter eval`` tell at their end."""

from __future__ import annotations

from typing import Any

from porter.render.blocks import Block, Table, Text
from porter.verify.train import TrainOutcome


def training_blocks(outcome: TrainOutcome) -> list[Block]:
    """How far it came, what was measured, and where everything is."""
    blocks: list[Block] = [Text(_head(outcome), "bold")]
    if outcome.metrics:
        rows = tuple((name, f"{value:.4g}") for name, value in sorted(outcome.metrics.items()))
        blocks.append(Table(("metric", "value"), rows, right=(1,)))
    if outcome.site.note:
        blocks.append(Text(outcome.site.note, "yellow"))
    blocks.append(Text(f"Logs and checkpoints are in {outcome.request.work}."))
    return blocks


def _head(outcome: TrainOutcome) -> str:
    request, place = outcome.request, outcome.site.place
    where = f"simulated {outcome.site.device}" if place == "sim" else outcome.site.device
    ranks = f", {request.ranks.world} processes" if request.ranks.distributed else ""
    if request.task == "eval":
        return f"Evaluated {request.model} ({outcome.config}) on {where}{ranks}"
    amp = ", AMP" if request.amp else ""
    return (
        f"Trained {request.model} ({outcome.config}) on {where}{ranks}{amp}: {outcome.steps} steps"
    )


def training_document(outcome: TrainOutcome) -> dict[str, Any]:
    """``config``, ``device``, ``metrics`` by name, ``model``, ``place``, ``processes``, ``steps``,
    ``target``, ``task`` and ``work``, the folder with logs and checkpoints."""
    return {
        "config": outcome.config,
        "device": outcome.site.device,
        "metrics": dict(outcome.metrics),
        "model": outcome.request.model,
        "place": outcome.site.place,
        "processes": outcome.request.ranks.world,
        "steps": outcome.steps,
        "target": outcome.target.name,
        "task": outcome.request.task,
        "work": str(outcome.request.work),
    }
