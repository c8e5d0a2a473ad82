"""The hook that records a full training: what can be told of each step at no cost."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmcv.runner import Hook

from porter.training.book import Book
from porter.training.digests import digest_weights
from porter.training.evidence import devices_of, memory_of
from porter.training.job import Job
from porter.training.mm2.common import model_of, rates_of, start_of
from porter.training.mm2.evaluation import Detections


class TrainRecorder:
    """Writes ``start`` and each ``step``: losses, learning rates, seconds and memory."""

    def __init__(self, job: Job, book: Book, config: Mapping[str, Any]) -> None:
        self._job, self._book, self._config = job, book, config
        self._detections = Detections()

    def hooks(self) -> list[dict[str, Any]]:
        """What ``custom_hooks`` of a config needs for this to be told of each step."""
        return [{"type": After, "recorder": self, "priority": "LOWEST"}]

    def begin(self, runner: Any) -> None:
        """The model is initialized, loaded or resumed by now."""
        self._runner = runner
        self._devices = devices_of(model_of(runner.model).parameters())
        for hook in runner.hooks:
            if hasattr(hook, "dataloader"):
                self._detections.watch(hook.dataloader.dataset)
        self._book.write("start", start_of(runner, self._config, self._job))

    def begin_step(self) -> None:
        """The batch is loaded by now."""
        self._began = time.perf_counter()

    def end_step(self, runner: Any) -> None:
        """Record the step."""
        losses = {name: float(value) for name, value in runner.outputs["log_vars"].items()}
        step = {
            "number": runner.iter + 1,
            "losses": losses,
            "grad_norm": losses.get("grad_norm", 0.0),
            "lr": sorted(set(rates_of(runner))),
            "data": "",
            "seconds": time.perf_counter() - self._began,
            "memory": memory_of(self._job.device),
            "devices": self._devices,
        }
        self._book.write("step", step)

    def end(self) -> dict[str, object]:
        """The fields of the record's ``end``."""
        saved = Path(self._job.out) / "latest.pth"
        return {
            "weights": digest_weights(model_of(self._runner.model).state_dict()),
            "updates": {},
            "metrics": self._detections.metrics,
            "detections": self._detections.found,
            "checkpoint": str(saved.resolve()) if saved.exists() else "",
        }


class After(Hook):
    """Tells a recorder what happens, after all other hooks."""

    def __init__(self, recorder: TrainRecorder) -> None:
        self._recorder = recorder

    def before_run(self, runner: Any) -> None:
        """Nothing is trained yet."""
        self._recorder.begin(runner)

    def before_train_iter(self, runner: Any) -> None:
        """The batch is loaded."""
        self._recorder.begin_step()

    def after_train_iter(self, runner: Any) -> None:
        """The update is made."""
        self._recorder.end_step(runner)
