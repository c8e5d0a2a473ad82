"""The three tasks, each through mmengine's own Runner, as users run it."""

from __future__ import annotations

import torch.distributed as dist
from mmengine.runner import Runner

from porter.training.book import Book
from porter.training.environment import world_size
from porter.training.job import Job
from porter.training.mm3.evaluation import Detections, EvalRecorder
from porter.training.mm3.full import TrainRecorder
from porter.training.mm3.setup import make_config
from porter.training.mm3.smoke import Keeper, SmokeRecorder


def run(job: Job, book: Book) -> None:
    """Carry out a job whose process is prepared.

    Raises:
        CannotTrain: If the config cannot serve the task.
        Exception: Whatever the tree or the device raises.
    """
    if job.host_only and world_size() > 1:
        # mmengine would bind the process to a CUDA device before it asks for a backend.
        dist.init_process_group("gloo")
    try:
        runner = Runner.from_cfg(make_config(job, world_size()))
        {"smoke": smoke, "train": train, "eval": evaluate}[job.task](runner, job, book)
    finally:
        if dist.is_available() and dist.is_initialized():
            dist.destroy_process_group()


def smoke(runner: Runner, job: Job, book: Book) -> None:
    """Train some steps and record each; save and end early, or evaluate, if asked."""
    recorder, keeper, detections = SmokeRecorder(job, book), Keeper(job), Detections()
    runner.register_hook(recorder, priority="HIGHEST")
    runner.register_hook(keeper, priority="LOWEST")
    runner.register_hook(detections, priority="HIGHEST")
    runner.train()
    metrics = runner.val_loop.run() if job.eval and not keeper.checkpoint else {}
    book.write("end", recorder.end(runner, metrics, detections.found, keeper.checkpoint))


def train(runner: Runner, job: Job, book: Book) -> None:
    """Train at full size; mmengine evaluates and saves as the config has it."""
    recorder = TrainRecorder(job, book)
    runner.register_hook(recorder, priority="HIGHEST")
    runner.train()
    book.write("end", recorder.end(runner))


def evaluate(runner: Runner, job: Job, book: Book) -> None:
    """Evaluate a checkpoint on ``val2017``."""
    recorder = EvalRecorder(job, book)
    runner.register_hook(recorder, priority="HIGHEST")
    metrics = runner.test()
    book.write("end", recorder.end(runner, metrics))
