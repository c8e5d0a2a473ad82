"""A model of mmdet 2.x as ONNX: by mmdet's own exporter, checked, and run beside PyTorch."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any, Mapping, Sequence

import mmcv
import numpy as np
import onnx
import torch
from mmcv.runner.checkpoint import _load_checkpoint
from mmdet.core.export import generate_inputs_and_wrap_model

from porter.training.book import Book
from porter.training.boxes import read_picture
from porter.training.checkpoints import check_weights, weights_in
from porter.training.config.walk import dicts, kind
from porter.training.errors import CannotTrain
from porter.training.job import Job

#: What mmcv 1.2.7 writes operators for.
OPSET = 11
#: Names of the model's input and outputs: boxes with their scores, and labels.
INPUT, OUTPUTS = "input", ("dets", "labels")
PLAIN_DOMAINS = ("", "ai.onnx")


def export(job: Job, book: Book) -> None:
    """Write the model, check it, compare what it finds with PyTorch, and record all that.

    Raises:
        CannotTrain: If the picture or the checkpoint will not do, the model is not valid, or
            what it finds differs.
    """
    read_picture(job.image, mmcv.imread)
    model, inputs = _wrapped(job)
    with torch.no_grad():
        expected = model(inputs)
        _write(model, inputs, job.result)
    written = _checked(job.result)
    found: dict[str, object] = {
        "opset": OPSET,
        "nodes": len(written.graph.node),
        "operators": sorted({node.op_type for node in written.graph.node}),
        "bytes": Path(job.result).stat().st_size,
        "compared": None,
        "difference": None,
    }
    if job.tolerance:
        found.update(_compared(job, written, inputs, expected, _threshold(model)))
    book.write("found", found)


def _wrapped(job: Job) -> tuple[Any, Any]:
    """The model as mmdet wraps it for its exporter, and the example to trace it with."""
    config, checkpoint = job.config, job.checkpoint
    if not checkpoint:
        # Random weights find nothing above a threshold, and then nothing would be compared.
        config, checkpoint = _without_thresholds(job), _random_weights(job)
    weights = weights_in(checkpoint, _load_checkpoint)
    height, width = job.shape
    example = {
        "input_shape": (1, 3, height, width),
        "input_path": job.image,
        "normalize_cfg": _normalization(job.config),
    }
    model, inputs = generate_inputs_and_wrap_model(config, checkpoint, example)
    check_weights(checkpoint, weights, model.state_dict())
    return model, inputs


def _without_thresholds(job: Job) -> str:
    """A copy of the config that keeps boxes of any score; a two-stage model has them apart."""
    config = mmcv.Config.fromfile(job.config)
    places = ("model.test_cfg", "model.test_cfg.rcnn", "test_cfg", "test_cfg.rcnn")
    keys = [f"{place}.score_thr" for place in places if _has_threshold(config, place)]
    config.merge_from_dict(dict.fromkeys(keys, 0.0))
    path = str(Path(job.out) / "any_score.py")
    config.dump(path)
    return path


def _has_threshold(config: Any, place: str) -> bool:
    for key in place.split("."):
        config = config.get(key) or {}
    return "score_thr" in config


def _random_weights(job: Job) -> str:
    """A checkpoint with weights that are drawn, since mmdet's exporter wants one.

    As heads are made, all their scores are nearly the same, and which boxes are the best is left
    to the last digit. So what follows the backbone is drawn anew, wide enough to tell them apart.
    """
    from mmdet.models import build_detector

    torch.manual_seed(job.seed)
    config = mmcv.Config.fromfile(job.config)
    config.model.pretrained = None
    model = build_detector(config.model, test_cfg=config.get("test_cfg"))
    for name, value in model.named_parameters():
        if value.dim() > 1 and not name.startswith("backbone."):
            torch.nn.init.kaiming_normal_(value)
    path = str(Path(job.out) / "random.pth")
    torch.save({"state_dict": model.state_dict(), "meta": {}}, path)
    return path


def _normalization(path: str) -> dict[str, object]:
    """How the config's test pipeline normalizes an image.

    Raises:
        CannotTrain: If it does not.
    """
    config = mmcv.Config.fromfile(path)
    for step in dicts(config._cfg_dict.to_dict()["data"]["test"]):
        if kind(step) == "Normalize":
            return {key: step[key] for key in ("mean", "std", "to_rgb") if key in step}
    raise CannotTrain(f"{path}: its test pipeline does not normalize images")


def _write(model: Any, inputs: Any, path: str) -> None:
    """Through torch's exporter that traces; newer ones have another by default."""
    options: dict[str, Any] = {}
    if "dynamo" in inspect.signature(torch.onnx.export).parameters:
        options["dynamo"] = False
    torch.onnx.export(
        model,
        (inputs,),
        path,
        input_names=[INPUT],
        output_names=list(OUTPUTS),
        do_constant_folding=True,
        opset_version=OPSET,
        **options,
    )


def _checked(path: str) -> Any:
    """The model as it was written.

    Raises:
        CannotTrain: If onnx finds a fault in it.
    """
    written = onnx.load(path)
    try:
        onnx.checker.check_model(written)
    except onnx.checker.ValidationError as problem:
        raise CannotTrain(f"onnx's checker refuses the model: {problem}") from problem
    return written


def _threshold(model: Any) -> float:
    """The score below which the model itself drops boxes; the export leaves that out."""
    settings = model.test_cfg
    return float(settings.get("rcnn", settings).get("score_thr", 0.0))


def _compared(
    job: Job, written: Any, inputs: Any, expected: Any, threshold: float
) -> Mapping[str, object]:
    """How many boxes were compared, and the largest difference.

    Raises:
        CannotTrain: If ONNX Runtime cannot run it, nothing was found, or they differ.
    """
    custom = {node.domain for node in written.graph.node} - set(PLAIN_DOMAINS)
    if custom:
        raise CannotTrain(
            f"ONNX Runtime alone cannot run the model's operators of {', '.join(sorted(custom))}.",
            hint="Export it with --no-check.",
        )
    theirs = _by_class(_run(job.result, inputs), len(expected[0]), threshold)
    ours = [np.asarray(boxes, dtype=np.float64).reshape(-1, 5) for boxes in expected[0]]
    counts = [sum(map(len, boxes)) for boxes in (ours, theirs)]
    if not counts[0]:
        raise CannotTrain(
            f"PyTorch finds nothing with a score above {threshold:g} in {job.image}, so there is "
            "nothing to compare.",
            hint="Give a picture with --image, or leave the comparison out with --no-check.",
        )
    if [len(boxes) for boxes in ours] != [len(boxes) for boxes in theirs]:
        raise CannotTrain(
            f"PyTorch finds {counts[0]} boxes and ONNX Runtime {counts[1]}, or of other classes."
        )
    difference = max(_farthest(a, b, max(job.shape)) for a, b in zip(ours, theirs) if len(a))
    if not difference <= job.tolerance:
        raise CannotTrain(
            f"ONNX Runtime differs from PyTorch by {difference:.1e}, more than {job.tolerance:g}.",
            hint="Of scores, or of corners in parts of the longest side; --tolerance allows more.",
        )
    return {"compared": counts[0], "difference": difference}


def _run(path: str, inputs: Any) -> Sequence[Any]:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    found: Sequence[Any] = session.run(list(OUTPUTS), {INPUT: inputs[0].detach().numpy()})
    return found


def _by_class(outputs: Sequence[Any], classes: int, threshold: float) -> list[Any]:
    """Class by class, as PyTorch's result is, and without what that drops."""
    boxes, labels = (np.asarray(output) for output in outputs)
    boxes, labels = boxes.reshape(-1, 5).astype(np.float64), labels.reshape(-1)
    kept = boxes[:, 4] > threshold
    return [boxes[kept & (labels == number)] for number in range(classes)]


def _farthest(ours: Any, theirs: Any, side: float) -> float:
    """The largest difference of scores, and of corners in parts of a side.

    Boxes of one score may come in any order, so each is held against the nearest that is left.
    """
    scale = np.array([side, side, side, side, 1.0])
    left = theirs / scale
    worst = 0.0
    for box in ours / scale:
        distances = np.abs(left - box).max(axis=1)
        nearest = int(distances.argmin())
        worst = max(worst, float(distances[nearest]))
        left = np.delete(left, nearest, axis=0)
    return worst
