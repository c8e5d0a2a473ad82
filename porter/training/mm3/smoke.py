"""The hooks that record a smoke run step by step, and save it where it is to be resumed."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.hooks import Hook

from porter.training.beginning import initial_weights
from porter.training.book import Book
from porter.training.digests import digest_batch, digest_weights
from porter.training.environment import rank
from porter.training.evidence import (
    ChipCounters,
    PrecisionProbe,
    counters_of,
    devices_of,
    gradient_norms,
    gradient_sketches,
    host_values,
    memory_of,
    total_norm,
    update_norms,
)
from porter.training.job import Job
from porter.training.mm3.common import model_of, rates_of, start_of
from porter.training.mm3.evaluation import numbers
from porter.training.mm3.predictions import predict
from porter.training.seeds import seed_draws, seed_everything, seed_of


class Update:
    """Wraps the optimizer wrapper's ``step``: what it was given, and whether AMP left it out.

    Attributes:
        norms: Parameter -> L2 norm of its gradient, unscaled and before clipping.
        applied: L2 norm over all gradients as the optimizer took them.
        sketches: The first gradients' directions; None before there are any.
        scale: AMP's loss scale of this step; None without AMP.
        skipped: Whether the update was left out.
    """

    def __init__(self, runner: Any, counters: ChipCounters) -> None:
        self._model, self._counters = model_of(runner), counters
        self._wrapper = runner.optim_wrapper
        self._inner = self._wrapper.step
        self._wrapper.step = self._step
        self.norms: dict[str, float] = {}
        self.sketches: dict[str, tuple[float, float]] | None = None
        self.applied = 0.0
        self.scale: float | None = None
        self.skipped = False

    def _step(self, **options: Any) -> None:
        self._counters.pause()
        scaler = getattr(self._wrapper, "loss_scaler", None)
        self.scale = None if scaler is None else float(scaler.get_scale())
        self.norms = gradient_norms(self._model, self.scale or 1.0)
        if self.sketches is None:
            self.sketches = gradient_sketches(self._model, self.scale or 1.0)
        # The scaler leaves an update out for exactly this reason, and does not tell.
        enabled = scaler is not None and scaler.is_enabled()
        self.skipped = enabled and not all(map(math.isfinite, self.norms.values()))
        self._counters.start()
        self._inner(**options)
        self._counters.pause()
        # An update that was left out has none; the scaler may not even have unscaled them.
        self.applied = 0.0 if self.skipped else total_norm(gradient_norms(self._model))
        self._counters.start()


class SmokeRecorder(Hook):
    """Writes ``start``, each ``step`` and the first step's ``gradients``."""

    def __init__(self, job: Job, book: Book) -> None:
        self._job, self._book = job, book
        self._counters = counters_of(job)

    def before_train(self, runner: Any) -> None:
        """The model is initialized, or resumed, by now."""
        model = model_of(runner)
        self._own = digest_weights(model.state_dict())
        self._initial = dict(initial_weights(model, self._job))
        self._probe = PrecisionProbe(model)
        self._update = Update(runner, self._counters)
        seed_draws(runner.train_dataloader.dataset, self._job.seed, rank())
        self._book.write("start", {**start_of(runner, self._job), "own": self._own})
        if not self._job.resume:
            self._book.write("predictions", predict(runner, model, self._job.seed))

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Nothing draws between here and the model."""
        self._data = digest_batch(data_batch, self._job.data)
        seed_everything(seed_of("step", self._job.seed, rank(), batch_idx))
        self._counters.start()
        self._began = time.perf_counter()

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Record the step."""
        self._counters.pause()
        losses = host_values(outputs)  # waits for the device, so the time is the step's
        seconds = time.perf_counter() - self._began
        update, (low, ran) = self._update, self._probe.take()
        step = {
            "number": batch_idx + 1,
            "losses": losses,
            "grad_norm": total_norm(update.norms),
            "lr": rates_of(runner),
            "data": self._data,
            "seconds": seconds,
            "memory": memory_of(self._job.device),
            "devices": devices_of(model_of(runner).parameters()),
            "low_precision": low,
            "modules": ran,
            "loss_scale": update.scale,
            "skipped": update.skipped,
            "counters": self._counters.take(),
            "applied_norm": update.applied,
        }
        self._book.write("step", step)
        if batch_idx == 0:
            found = {"norms": update.norms, "sketches": update.sketches or {}}
            self._book.write("gradients", found)

    def end(
        self,
        runner: Any,
        metrics: Mapping[str, Any],
        detections: Mapping[str, tuple[float, ...]],
        checkpoint: str,
    ) -> dict[str, object]:
        """The fields of the record's ``end``."""
        model = model_of(runner)
        return {
            "weights": digest_weights(model.state_dict()),
            "parameters": digest_weights(dict(model.named_parameters())),
            "updates": update_norms(dict(model.named_parameters()), self._initial),
            "buffers": update_norms(dict(model.named_buffers()), self._initial),
            "metrics": numbers(metrics),
            "detections": detections,
            "logged_memory": None if self._job.host_only else logged_memory(runner),
            "checkpoint": checkpoint,
        }


def logged_memory(runner: Any) -> float | None:
    """Megabytes that the tree's own log tells of the latest step; None if it tells none."""
    tag, _ = runner.log_processor.get_log_after_iter(runner, runner.iter - 1, "train")
    return float(tag["memory"]) if "memory" in tag else None


class Keeper(Hook):
    """Saves a checkpoint after the step that the job stops at, and ends the training.

    Attributes:
        checkpoint: What was saved; empty for nothing.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self.checkpoint = ""

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """The last hook of a step: the others have done theirs by now."""
        if batch_idx + 1 != self._job.stop:
            return
        name = f"step-{self._job.stop}.pth"
        runner.save_checkpoint(self._job.out, name, by_epoch=False)
        runner.train_loop.stop_training = True
        self.checkpoint = str(Path(self._job.out) / name)
