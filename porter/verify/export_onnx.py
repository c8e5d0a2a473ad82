"""A model of the ported mmdet 2.x as ONNX, held against what PyTorch finds."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from porter.errors import CouldNotRun, UsageError
from porter.source import Cache
from porter.verify.data.dataset import synthetic_coco
from porter.verify.errand import Errand, check_out, hand_over, prepare, run_errand
from porter.verify.launch.interpreter import Interpreter
from porter.verify.launch.work import work_folder
from porter.verify.trees import Folder
from porter.verify.watch import Watcher

STAGE = "exporting"
NEEDED = ("onnx", "onnxruntime")


@dataclass(frozen=True)
class ExportRequest:
    """A model to export.

    Attributes:
        shape: Height and width of the model's input, in pixels.
        image: The example to trace with; None for one of the synthetic data set.
        check: Whether to run it in ONNX Runtime beside PyTorch.
        tolerance: How far scores may differ, and corners in parts of the longest side.
    """

    errand: Errand
    out: Path
    shape: tuple[int, int]
    image: Path | None = None
    check: bool = True
    tolerance: float = 1e-4


@dataclass(frozen=True)
class ExportOutcome:
    """What came of it.

    Attributes:
        operators: The kinds of operators that the model is made of.
        size: Bytes of the file.
        compared: How many boxes were compared; None without a check.
        difference: The largest difference; None without a check.
    """

    request: ExportRequest
    config: str
    versions: dict[str, str]
    opset: int
    nodes: int
    operators: tuple[str, ...]
    size: int
    compared: int | None
    difference: float | None


def run_export(request: ExportRequest, cache: Cache, watch: Watcher) -> ExportOutcome:
    """Export, check, compare, and write the file if all of that holds.

    Raises:
        CouldNotRun: If something is missing, mmdet's release exports nothing, or the model does
            not hold.
        UsageError: If the request cannot be met.
        WriteError: If the file cannot be written.
    """
    check_out(request.out, (".onnx",))
    if min(request.shape) < 32:
        raise UsageError(
            f"--shape {request.shape[0]} {request.shape[1]}: too small for a detector",
            hint="Give height and width in pixels, such as 800 1216.",
        )
    needed = NEEDED if request.check else NEEDED[:1]
    ground = prepare(request.errand, cache, watch, lambda f, python: _gate(f, python, needed))
    image = request.image or min((synthetic_coco(cache) / "val2017").iterdir())
    with work_folder(cache) as work:
        model = work / "model.onnx"
        own = {
            "task": "onnx",
            "image": str(image.absolute()),
            "shape": list(request.shape),
            "tolerance": request.tolerance if request.check else 0.0,
            "result": str(model),
        }
        found = run_errand(ground, request.errand, own, work, watch, STAGE)
        hand_over(model, request.out)
    return ExportOutcome(
        request=request,
        config=ground.recipe.config,
        versions=ground.folder.versions,
        opset=found["opset"],
        nodes=found["nodes"],
        operators=tuple(found["operators"]),
        size=found["bytes"],
        compared=found["compared"],
        difference=found["difference"],
    )


def _gate(folder: Folder, python: Interpreter, needed: Sequence[str]) -> None:
    """Refuse what cannot be exported, before anything is compiled for it."""
    version = folder.versions["mmdet"]
    if Version(version).major != 2:
        raise CouldNotRun(
            f"mmdet {version} has no exporter to ONNX of its own: with 3.0 that became a project "
            "apart, MMDeploy",
            hint=_HINT,
        )
    missing = [name for name in needed if python.modules[name].problem]
    if missing:
        pip = f"{shlex.quote(str(python.executable))} -m pip install {' '.join(missing)}"
        raise CouldNotRun(
            f"{python.executable} has no {' and no '.join(missing)}", hint=f"Install it: {pip}"
        )


_HINT = (
    "Export with mmdet 2.11.0: porter apply --target NAME --set legacy --pin mmdet=2.11.0 "
    "--into DIR."
)
