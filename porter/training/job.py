"""What a training process is asked to do: ``JOB.json``, as porter wrote it.

Paths are absolute. A key that is unknown here is an error: porter and this folder come from
one release.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

from porter.training.errors import CannotTrain

FORMAT = 1
TASKS = ("smoke", "train", "eval", "demo", "onnx")


@dataclass(frozen=True)
class Job:
    """One process's work.

    Attributes:
        task: ``smoke`` (a config shrunk, some steps), ``train`` (full size), ``eval``, ``demo``
            (detect in one picture) or ``onnx`` (export).
        trees: Package -> folder that holds it; put first on ``sys.path``.
        ops: Folder with mmcv's compiled ``_ext``; empty if the tree or Python has its own.
        config: The mmdet config.
        out: Folder for the records, logs and checkpoints.
        data: COCO root with ``train2017``, ``val2017`` and ``annotations``.
        side: ``upstream`` or ``ported``.
        device: ``torch.device`` type that the parameters should be on.
        sim: The simulated chip as ``porter.sim.Spec`` writes itself; None for none.
        host_only: Whether to train on the host even if there is a chip.
        backend: Of ``torch.distributed``, as the records should show it.
        steps: Optimizer steps of a smoke run.
        batch_size: Images a step and process; 0 keeps the config's (not for smoke).
        image_size: Longest side of an image in pixels, smoke only.
        lr: None for the config's, in a smoke run in proportion to the batch.
        threads: Of torch; 0 leaves it to torch.
        amp_dtype: What autocast computes in.
        loss_scale: Where AMP's scale starts in a smoke run. mmengine's own start overflows in
            the first steps, whose skipped updates would set the two sides apart.
        weights: Initial weights to start from; empty for the model's own.
        save_weights: Where rank 0 writes the initial weights; empty for nowhere.
        options: Dotted config keys -> values, merged last.
        canvas: Whether each image is put on a canvas of one size, smoke only.
        count: Whether to count operators and shapes on the host, as the simulated chip does.
        eval: Whether to evaluate on ``val2017`` after the last step of a smoke run.
        resume: Checkpoint of an earlier smoke run to continue.
        stop: Step after which to save a checkpoint and end; 0 for never.
        epochs: Of a full training; 0 keeps the config's.
        workers: Of each data loader in a full training; -1 keeps the config's.
        checkpoint: Weights that a full training starts from, or that are evaluated, shown or
            exported.
        resume_from: Checkpoint of a full training to continue.
        cfg_options: ``key=value`` as mmengine's ``--cfg-options`` takes them.
        image: The picture of a demo, or an export's example input.
        score_thr: The lowest score of a box that a demo draws.
        result: The file that a demo or an export writes.
        shape: Height and width of an exported model's input, in pixels.
        tolerance: How far ONNX Runtime's boxes and scores may be from PyTorch's, relative to the
            greatest of them; 0 for not to compare.
    """

    task: str
    trees: Mapping[str, str]
    config: str
    out: str
    data: str
    ops: str = ""
    side: str = "upstream"
    device: str = "cpu"
    sim: str | None = None
    host_only: bool = False
    backend: str = "gloo"
    steps: int = 50
    batch_size: int = 2
    image_size: int = 128
    lr: float | None = None
    seed: int = 0
    threads: int = 1
    amp: bool = False
    amp_dtype: str = "float16"
    loss_scale: float = 512.0
    weights: str = ""
    save_weights: str = ""
    options: Mapping[str, object] = field(default_factory=dict)
    canvas: bool = False
    count: bool = False
    eval: bool = False
    resume: str = ""
    stop: int = 0
    epochs: int = 0
    workers: int = -1
    checkpoint: str = ""
    resume_from: str = ""
    cfg_options: Sequence[str] = ()
    image: str = ""
    score_thr: float = 0.3
    result: str = ""
    shape: Sequence[int] = ()
    tolerance: float = 0.0


def read_job(path: Path) -> Job:
    """The job in a file.

    Raises:
        CannotTrain: If the file cannot be read, is of another format, or has an unknown key.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise CannotTrain(f"{path}: cannot be read as a job: {problem}") from problem
    written = values.pop("format", None)
    if written != FORMAT:
        raise CannotTrain(f"{path}: format {written}, not {FORMAT}")
    unknown = sorted(set(values) - {entry.name for entry in fields(Job)})
    if unknown:
        raise CannotTrain(f"{path}: unknown keys: {', '.join(unknown)}")
    try:
        job = Job(**values)
    except TypeError as problem:
        raise CannotTrain(f"{path}: {problem}") from problem
    if job.task not in TASKS:
        raise CannotTrain(f"{path}: task {job.task!r} is none of {', '.join(TASKS)}")
    return job
