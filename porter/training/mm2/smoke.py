"""The hooks that record a smoke run step by step."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmcv.runner import Hook

from porter.training.beginning import initial_weights
from porter.training.book import Book
from porter.training.digests import digest_batch, digest_weights
from porter.training.environment import rank
from porter.training.evidence import (
    PrecisionProbe,
    counters_of,
    devices_of,
    memory_of,
    total_norm,
    update_norms,
)
from porter.training.job import Job
from porter.training.mm2.common import model_of, rates_of, start_of
from porter.training.mm2.draws import order_draws
from porter.training.mm2.evaluation import Detections
from porter.training.mm2.predictions import predict
from porter.training.mm2.update import Update
from porter.training.seeds import seed_everything, seed_of


class SmokeRecorder:
    """Writes ``start``, each ``step`` and the first step's ``gradients``."""

    def __init__(self, job: Job, book: Book, config: Mapping[str, Any]) -> None:
        self._job, self._book, self._config = job, book, config
        self._counters = counters_of(job)
        self._detections = Detections()

    def hooks(self) -> list[dict[str, Any]]:
        """What ``custom_hooks`` of a config needs for this to be told of each step.

        mmcv computes gradients and updates in a hook, so one has to come before it, one after.
        """
        return [
            {"type": Before, "recorder": self, "priority": "HIGHEST"},
            {"type": After, "recorder": self, "priority": "LOWEST"},
        ]

    def begin(self, runner: Any) -> None:
        """The model is initialized, or resumed, by now, and in float32."""
        self._runner, model = runner, model_of(runner.model)
        own = digest_weights(model.state_dict())
        self._initial = dict(initial_weights(model, self._job))
        self._probe = PrecisionProbe(model)
        self._update = Update(runner, self._counters)
        self._see_batches(model)
        for hook in runner.hooks:
            if hasattr(hook, "dataloader"):
                self._detections.watch(hook.dataloader.dataset)
        loggers = [hook for hook in runner.hooks if hasattr(hook, "_get_max_memory")]
        self._memory = _note_memory(loggers[0]) if loggers else []
        start = start_of(runner, self._config, self._job)
        self._book.write("start", {**start, "own": own})
        if not self._job.resume:
            found = predict(runner.model, self._config, self._job.seed)
            self._book.write("predictions", found)

    def _see_batches(self, model: Any) -> None:
        """Digest each batch as the model is given it: mmcv tells no hook of it."""
        inner = model.train_step

        def train_step(data: Any, *arguments: Any, **options: Any) -> Any:
            self._counters.pause()
            self._data = digest_batch(data, self._job.data)
            self._counters.start()
            return inner(data, *arguments, **options)

        model.train_step = train_step

    def begin_epoch(self, runner: Any) -> None:
        """The loader is known by now, and no image was drawn."""
        job = self._job
        steps = job.stop if job.stop and not job.resume else job.steps
        order_draws(runner.data_loader, job.seed, rank(), runner.iter, steps)
        runner._max_iters = steps  # what the log takes for its estimate of the time left

    def begin_step(self, runner: Any) -> None:
        """The batch is loaded; nothing draws between here and the model."""
        seed_everything(seed_of("step", self._job.seed, rank(), runner.iter))
        self._counters.start()
        self._began = time.perf_counter()

    def end_forward(self, runner: Any) -> None:
        """The losses are known, and the gradients come next."""
        self._update.begin(runner.outputs["loss"])

    def end_step(self, runner: Any) -> None:
        """Record the step: the last hook but for the log."""
        self._counters.pause()
        memory = memory_of(self._job.device)  # which waits for the device on some chips
        seconds = time.perf_counter() - self._began
        update, (low, ran) = self._update, self._probe.take()
        update.end()
        step = {
            "number": runner.iter + 1,
            "losses": {name: float(value) for name, value in runner.outputs["log_vars"].items()},
            "grad_norm": total_norm(update.norms),
            "lr": rates_of(runner),
            "data": self._data,
            "seconds": seconds,
            "memory": memory,
            "devices": devices_of(model_of(runner.model).parameters()),
            "low_precision": low,
            "modules": ran,
            "loss_scale": update.scale if self._job.amp else None,
            "skipped": update.skipped,
            "counters": self._counters.take(),
            "applied_norm": update.applied,
        }
        self._book.write("step", step)
        if runner.iter == 0:
            found = {"norms": update.norms, "sketches": update.sketches or {}}
            self._book.write("gradients", found)

    def _updated(self, model: torch.nn.Module) -> dict[str, torch.Tensor]:
        """The parameters as the optimizer holds them: under AMP in float32, beside the model's."""
        groups = self._runner.optimizer.param_groups
        held = [parameter for group in groups for parameter in group["params"]]
        own = dict(model.named_parameters())
        if [one.shape for one in held] != [one.shape for one in own.values()]:
            return own
        return dict(zip(own, held))

    def end(self) -> dict[str, object]:
        """The fields of the record's ``end``."""
        model = model_of(self._runner.model)
        saved = Path(self._job.out) / f"step-{self._job.stop}.pth"
        stopped = bool(self._job.stop and not self._job.resume)
        return {
            "weights": digest_weights(model.state_dict()),
            "parameters": digest_weights(dict(model.named_parameters())),
            "updates": update_norms(self._updated(model), self._initial),
            "buffers": update_norms(dict(model.named_buffers()), self._initial),
            "metrics": self._detections.metrics,
            "detections": self._detections.found,
            "logged_memory": None
            if self._job.host_only
            else logged_memory(self._runner, self._memory),
            "checkpoint": str(saved) if stopped else "",
        }


def _note_memory(logger: Any) -> list[float]:
    """What a logger is told of the device's memory from now on, on every rank."""
    inner = logger._get_max_memory
    told: list[float] = []

    def tell(runner: Any) -> Any:
        megabytes = inner(runner)
        told.append(float(megabytes))
        return megabytes

    logger._get_max_memory = tell
    return told


def logged_memory(runner: Any, told: list[float]) -> float | None:
    """Megabytes that the tree's own log tells of the latest steps; None if it tells none.

    Args:
        told: What was computed for the log; rank 0 alone writes it.
    """
    paths = [Path(hook.json_log_path) for hook in runner.hooks if hasattr(hook, "json_log_path")]
    if runner.rank or not paths:
        return told[-1] if told else None
    lines = paths[0].read_text(encoding="utf-8").splitlines() if paths[0].is_file() else []
    found = [line["memory"] for line in map(json.loads, filter(None, lines)) if "memory" in line]
    return float(found[-1]) if found else None


class Before(Hook):
    """Tells a recorder what happens, before all other hooks."""

    def __init__(self, recorder: SmokeRecorder) -> None:
        self._recorder = recorder

    def before_run(self, runner: Any) -> None:
        """Before another hook may have changed the model."""
        self._recorder.begin(runner)

    def before_train_epoch(self, runner: Any) -> None:
        """Before the loader begins."""
        self._recorder.begin_epoch(runner)

    def after_train_iter(self, runner: Any) -> None:
        """Before the optimizer's hook."""
        self._recorder.end_forward(runner)


class After(Hook):
    """Tells a recorder what happens, after all other hooks."""

    def __init__(self, recorder: SmokeRecorder) -> None:
        self._recorder = recorder

    def before_train_iter(self, runner: Any) -> None:
        """After hooks that set the learning rate."""
        self._recorder.begin_step(runner)

    def after_train_iter(self, runner: Any) -> None:
        """After the optimizer's hook."""
        self._recorder.end_step(runner)
