"""The hook that records a full training: what can be told of each step at no cost."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from porter.training.book import Book
from porter.training.digests import digest_weights
from porter.training.evidence import devices_of, host_values, memory_of
from porter.training.job import Job
from porter.training.mm3.common import model_of, rates_of, start_of
from porter.training.mm3.evaluation import Detections

#: Where mmengine's checkpoint hook tells what it saved last.
LAST_CHECKPOINT = "last_checkpoint"


class TrainRecorder(Detections):
    """Writes ``start`` and each ``step``: losses, learning rates, seconds and memory."""

    def __init__(self, job: Job, book: Book) -> None:
        super().__init__()
        self._job, self._book = job, book

    def before_train(self, runner: Any) -> None:
        """The model is initialized, loaded or resumed by now."""
        self._devices = devices_of(model_of(runner).parameters())
        self._book.write("start", start_of(runner, self._job))

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """The batch is loaded by now."""
        self._began = time.perf_counter()

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Record the step."""
        step = {
            "number": runner.iter + 1,
            "losses": host_values(outputs),
            "grad_norm": float(runner.message_hub.get_scalar("train/grad_norm").current())
            if "train/grad_norm" in runner.message_hub.log_scalars
            else 0.0,
            "lr": sorted(set(rates_of(runner))),
            "data": "",
            "seconds": time.perf_counter() - self._began,
            "memory": memory_of(self._job.device),
            "devices": self._devices,
        }
        self._book.write("step", step)

    def before_val_epoch(self, runner: Any) -> None:
        """Only the last evaluation's detections are kept."""
        self.found.clear()

    def end(self, runner: Any) -> dict[str, object]:
        """The fields of the record's ``end``."""
        saved = Path(self._job.out) / LAST_CHECKPOINT
        return {
            "weights": digest_weights(model_of(runner).state_dict()),
            "updates": {},
            "metrics": self.metrics,
            "detections": self.found,
            "checkpoint": saved.read_text(encoding="utf-8").strip() if saved.exists() else "",
        }
