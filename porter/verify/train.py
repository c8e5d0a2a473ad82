"""Full-size training and evaluation of a ported tree, on the user's data."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from porter.errors import CouldNotRun, UsageError, WriteError
from porter.model import Target
from porter.source import Cache
from porter.verify.follow import train_and_follow
from porter.verify.launch.chip import prepare_chip
from porter.verify.launch.device_ops import chips_own_ops
from porter.verify.launch.interpreter import Interpreter, probe
from porter.verify.launch.job import FORMAT, amp_dtype
from porter.verify.launch.place import Site, check_fit, choose_site, missing_chip, site_variables
from porter.verify.launch.process import (
    Launch,
    Ranks,
    last_lines,
)
from porter.verify.model import Failure, Rank, failures
from porter.verify.models.recipes import Recipe, find_recipe
from porter.verify.ops import build_ops
from porter.verify.records import in_words, read_rank, record_path
from porter.verify.request import Device
from porter.verify.subject import find_target, pin_set_of
from porter.verify.trees import Trees, open_folder
from porter.verify.watch import Watcher


@dataclass(frozen=True)
class TrainRequest:
    """A training or an evaluation to make.

    Attributes:
        model: An alias, or an mmdet config's name or path.
        data: The COCO folder: ``train2017``, ``val2017``, ``annotations``.
        work: The folder for logs and checkpoints.
        epochs: None, as for the two below, for the config's own.
        batch_size: Images a step and process.
        checkpoint: Weights to start from, or to evaluate; None for none.
        resume: A checkpoint to go on from; None for none.
        workers: Processes that load data, for each that trains.
        options: ``KEY=VALUE`` texts for mmengine's ``--cfg-options``.
    """

    task: Literal["train", "eval"]
    model: str
    into: Path
    targets: Mapping[str, Target]
    data: Path
    work: Path
    target: Target | None = None
    device: Device = "auto"
    python: Path = Path(sys.executable)
    ranks: Ranks = field(default_factory=Ranks)
    epochs: int | None = None
    batch_size: int | None = None
    lr: float | None = None
    amp: bool = False
    seed: int = 0
    checkpoint: Path | None = None
    resume: Path | None = None
    workers: int = 2
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class TrainOutcome:
    """What a training or an evaluation came to.

    Attributes:
        steps: Optimizer steps done; 0 for an evaluation.
        metrics: Name -> value of the evaluation, where there was one.
    """

    request: TrainRequest
    target: Target
    site: Site
    config: str
    steps: int
    metrics: Mapping[str, float]


def run_training(request: TrainRequest, cache: Cache, watch: Watcher) -> TrainOutcome:
    """Train or evaluate a model of the ported packages.

    Raises:
        CouldNotRun: If something is missing, or the training failed.
        UsageError: If the request contradicts itself.
        WriteError: If the work folder cannot be written.
    """
    _check_data(request)
    folder = open_folder(request.into)
    target = find_target(request.target, request.targets, folder)
    interpreter = probe(request.python, plugin=target.plugin, device=target.device)
    site = _site(request, target, interpreter)
    check_fit(site, amp=request.amp, nproc=request.ranks.nproc)
    trees = folder.trees()
    recipe = find_recipe(request.model, trees.configs, pin_set_of(folder))
    prepare_chip(site, interpreter, cache, watch)
    ops = chips_own_ops(site, trees, interpreter) or build_ops(
        trees.roots["mmcv"], interpreter, cache, watch
    )
    job = _job(request, site, trees, recipe.config, ops, target)
    launch = Launch(interpreter.executable, job, request.ranks, site_variables(site, target))
    ranks = _train(launch, request, recipe, watch)
    return TrainOutcome(
        request=request,
        target=target,
        site=site,
        config=recipe.config,
        steps=max((len(rank.steps) for rank in ranks), default=0),
        metrics=dict(ranks[0].end.metrics) if ranks[0].end else {},
    )


def _check_data(request: TrainRequest) -> None:
    # A training evaluates after its epochs, so it needs both.
    needed = ["annotations", "val2017", *(["train2017"] if request.task == "train" else [])]
    missing = [name for name in needed if not (request.data / name).is_dir()]
    if missing:
        raise UsageError(
            f"--data-dir {request.data}: there is no {' and no '.join(missing)} in it",
            hint="It has to be a COCO folder: train2017, val2017 and annotations.",
        )


def _site(request: TrainRequest, target: Target, interpreter: Interpreter) -> Site:
    """The chip; another place only if it was named, as full size takes days there."""
    missing = missing_chip(target, interpreter)
    if request.device == "auto" and missing:
        raise CouldNotRun(
            f"{interpreter.executable} cannot use a {target.name} device: {missing}",
            hint="Name the chip's own environment with --python; to try the command without the "
            "chip, add --device sim or --device cpu.",
        )
    return choose_site(request.device, target, interpreter)


def _job(
    request: TrainRequest, site: Site, trees: Trees, config: str, ops: Path, target: Target
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "task": request.task,
        "trees": {name: str(root) for name, root in trees.roots.items()},
        "ops": str(ops),
        "config": str(trees.config(config)),
        "out": str(request.work.absolute()),
        "data": str(request.data.absolute()),
        "side": "ported",
        "device": site.device,
        "sim": site.sim.to_json() if site.sim else None,
        "host_only": site.place == "cpu",
        "backend": site.backend,
        "batch_size": request.batch_size or 0,
        "lr": request.lr,
        "seed": request.seed,
        "amp": request.amp,
        "amp_dtype": amp_dtype(target),
        "epochs": request.epochs or 0,
        "workers": request.workers,
        "threads": 0,
        "checkpoint": str(request.checkpoint.absolute()) if request.checkpoint else "",
        "resume_from": str(request.resume.absolute()) if request.resume else "",
        "cfg_options": list(request.options),
    }


def _train(launch: Launch, request: TrainRequest, recipe: Recipe, watch: Watcher) -> list[Rank]:
    stage = "training" if request.task == "train" else "evaluating"
    _forget_records(launch)
    watch.begin(stage)
    code = train_and_follow(launch, watch, stage)
    ranks = [read_rank(launch.out, rank) for rank in launch.ranks.local]
    failure = next((failure for _, failure in failures(ranks)), None)
    if code or failure:
        raise _failed(f"{stage} {request.model}", launch, code, failure, recipe.needs)
    watch.end(stage)
    return ranks


def _forget_records(launch: Launch) -> None:
    """What an earlier training in the same folder recorded must not pass for this one's."""
    try:
        launch.out.mkdir(parents=True, exist_ok=True)
        for rank in launch.ranks.local:
            record_path(launch.out, rank).unlink(missing_ok=True)
    except OSError as problem:
        raise WriteError(
            f"--work-dir {launch.out}: {problem.strerror or problem}",
            hint="Name another folder with --work-dir.",
        ) from problem


def _failed(
    what: str, launch: Launch, code: int, failure: Failure | None, needs: str
) -> CouldNotRun:
    """What came of it in the process's own last words, and where all of them are."""
    said = in_words(failure) if failure else last_lines(launch.log)
    missing = f"This model needs {needs}. " if needs else ""
    return CouldNotRun(
        f"{what} ended with exit code {code}: {said}",
        hint=f"{missing}All that it printed is in {launch.log}.",
    )
