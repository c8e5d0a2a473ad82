"""What ``porter export-onnx`` tells at its end."""

from __future__ import annotations

from typing import Any

from porter.render.blocks import Block, Fields, Text
from porter.verify.export_onnx import ExportOutcome


def export_blocks(outcome: ExportOutcome) -> list[Block]:
    """What was written, and how far it is from PyTorch."""
    request = outcome.request
    height, width = request.shape
    blocks: list[Block] = [
        Text(f"Exported {request.errand.model} ({outcome.config}) to {request.out}", "bold"),
        Fields(
            (
                ("Input", f"1 image, 3 x {height} x {width}, normalized"),
                ("Model", f"opset {outcome.opset}, {outcome.nodes} nodes, {_size(outcome.size)}"),
                ("onnx's checker", "holds"),
                ("ONNX Runtime", _compared(outcome)),
            )
        ),
    ]
    if request.errand.checkpoint is None:
        blocks.append(
            Text("The weights are random, so it finds nothing: give --checkpoint.", "yellow")
        )
    return blocks


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB"


def _compared(outcome: ExportOutcome) -> str:
    if outcome.difference is None:
        return "not asked"
    boxes = f"{outcome.compared} {'box' if outcome.compared == 1 else 'boxes'}"
    return (
        f"{boxes}, largest difference from PyTorch {outcome.difference:.1e} "
        f"(limit {outcome.request.tolerance:g})"
    )


def export_document(outcome: ExportOutcome) -> dict[str, Any]:
    """``bytes``, ``checkpoint`` (null for random weights), ``compared`` boxes and the largest
    ``difference`` (null without a check), ``config``, ``model``, ``nodes``, ``operators``,
    ``opset``, ``out``, ``shape``, ``tolerance`` and ``versions``."""
    request = outcome.request
    checkpoint = request.errand.checkpoint
    return {
        "bytes": outcome.size,
        "checkpoint": str(checkpoint) if checkpoint else None,
        "compared": outcome.compared,
        "config": outcome.config,
        "difference": outcome.difference,
        "model": request.errand.model,
        "nodes": outcome.nodes,
        "operators": list(outcome.operators),
        "opset": outcome.opset,
        "out": str(request.out),
        "shape": list(request.shape),
        "tolerance": request.tolerance,
        "versions": outcome.versions,
    }
