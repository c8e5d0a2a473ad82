"""What ``porter demo`` tells at its end."""

from __future__ import annotations

from typing import Any

from porter.render.blocks import Block, Table, Text
from porter.verify.demo import DemoOutcome

#: Boxes that are listed; the picture has them all.
LISTED = 10


def demo_blocks(outcome: DemoOutcome) -> list[Block]:
    """What was found, on what it rests, and where the picture is."""
    request, count = outcome.request, len(outcome.boxes)
    where = f"simulated {outcome.site.device}" if outcome.site.sim else outcome.site.device
    errand = request.errand
    head = f"Looked at {outcome.image} with {errand.model} ({outcome.config}) on {where}: "
    blocks: list[Block] = [Text(head + _count(outcome), "bold")]
    if count:
        rows = tuple(
            (box.label, f"{box.score:.3f}", ", ".join(f"{c:.0f}" for c in box.corners))
            for box in outcome.boxes[:LISTED]
        )
        blocks.append(Table(("class", "score", "left, top, right, bottom"), rows, right=(1,)))
    if count > LISTED:
        blocks.append(Text(f"and {count - LISTED} more"))
    if errand.checkpoint is None:
        blocks.append(
            Text("The weights are random, so the boxes mean nothing: give --checkpoint.", "yellow")
        )
    if outcome.site.note:
        blocks.append(Text(_note(outcome), "yellow"))
    blocks.append(Text(f"The picture is {request.out}."))
    return blocks


def _count(outcome: DemoOutcome) -> str:
    thr, count = outcome.request.score_thr, len(outcome.boxes)
    if count:
        return f"{count} {'box' if count == 1 else 'boxes'} with a score of {thr:g} or more"
    if not outcome.found:
        return "nothing found"
    return f"no box with a score of {thr:g} or more; the highest is {outcome.highest:.3f}"


def _note(outcome: DemoOutcome) -> str:
    if outcome.site.sim:
        return f"The {outcome.target} device was simulated: that shows no speed and no numerics."
    return f"It ran on the host: that shows nothing of the device of {outcome.target}."


def demo_document(outcome: DemoOutcome) -> dict[str, Any]:
    """``boxes`` (``label``, ``score``, ``corners``), ``checkpoint`` (null for random weights),
    ``config``, ``device``, ``devices`` of the parameters, ``found`` (boxes of any score),
    ``highest`` score, ``image``, ``model``, ``out``, ``place``, ``score_thr``, ``seconds`` and
    ``target``."""
    request = outcome.request
    checkpoint = request.errand.checkpoint
    return {
        "boxes": [
            {"corners": list(box.corners), "label": box.label, "score": box.score}
            for box in outcome.boxes
        ],
        "checkpoint": str(checkpoint) if checkpoint else None,
        "config": outcome.config,
        "device": outcome.site.device,
        "devices": dict(outcome.devices),
        "found": outcome.found,
        "highest": outcome.highest,
        "image": str(outcome.image),
        "model": request.errand.model,
        "out": str(request.out),
        "place": outcome.site.place,
        "score_thr": request.score_thr,
        "seconds": outcome.seconds,
        "target": outcome.target,
    }
