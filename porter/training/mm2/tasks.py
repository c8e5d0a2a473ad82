"""The three tasks, each through mmdet 2.x's own functions, as its scripts call them."""

from __future__ import annotations

import time
from typing import Any

import torch
import torch.distributed as dist
from mmcv.parallel import MMDataParallel, MMDistributedDataParallel
from mmcv.runner import init_dist, load_checkpoint
from mmdet.apis import multi_gpu_test, set_random_seed, single_gpu_test, train_detector
from mmdet.datasets import build_dataloader, build_dataset
from mmdet.models import build_detector
from mmdet.utils import get_root_logger

from porter.training.book import Book
from porter.training.digests import digest_weights
from porter.training.environment import describe, local_rank, rank, world_size
from porter.training.job import Job
from porter.training.mm2.common import backend
from porter.training.mm2.evaluation import numbers, summaries
from porter.training.mm2.full import TrainRecorder
from porter.training.mm2.host import join_on_host, stay_on_host
from porter.training.mm2.setup import make_config
from porter.training.mm2.smoke import SmokeRecorder


def run(job: Job, book: Book) -> None:
    """Carry out a job whose process is prepared.

    Raises:
        CannotTrain: If the config cannot serve the task.
        Exception: Whatever the tree or the device raises.
    """
    config = make_config(job, world_size())
    if world_size() > 1:
        _join(job, config)
    try:
        set_random_seed(job.seed)
        {"smoke": smoke, "train": train, "eval": evaluate}[job.task](config, job, book)
    finally:
        if dist.is_available() and dist.is_initialized():
            dist.destroy_process_group()


def _join(job: Job, config: Any) -> None:
    if job.host_only:
        join_on_host()
    else:
        init_dist("pytorch", **config.dist_params)


def smoke(config: Any, job: Job, book: Book) -> None:
    """Train some steps and record each; save and end early, or evaluate, if asked."""
    recorder = SmokeRecorder(job, book, config)
    saves = bool(job.stop and not job.resume)
    _train(config, job, recorder.hooks(), validate=job.eval and not saves)
    book.write("end", recorder.end())


def train(config: Any, job: Job, book: Book) -> None:
    """Train at full size; mmdet evaluates and saves as the config has it."""
    recorder = TrainRecorder(job, book, config)
    _train(config, job, recorder.hooks(), validate=True)
    book.write("end", recorder.end())


def _train(config: Any, job: Job, hooks: list[dict[str, Any]], *, validate: bool) -> None:
    """What ``tools/train.py`` does."""
    timestamp = time.strftime("%Y%m%d_%H%M%S")
    # Who asks for mmdet's logger first says where it writes; train_detector would say "INFO".
    get_root_logger(f"{job.out}/{timestamp}.log", config.log_level)
    model = _build(config)
    datasets = [build_dataset(config.data.train)]
    model.CLASSES = datasets[0].CLASSES
    if job.host_only:
        stay_on_host(model)
    config.custom_hooks = [*(config.get("custom_hooks") or []), *hooks]
    train_detector(
        model,
        datasets,
        config,
        distributed=world_size() > 1,
        validate=validate,
        timestamp=timestamp,
        meta={"seed": job.seed, "CLASSES": model.CLASSES},
    )


def _build(config: Any) -> Any:
    beside = {key: config[key] for key in ("train_cfg", "test_cfg") if config.get(key)}
    return build_detector(config.model, **beside)


def evaluate(config: Any, job: Job, book: Book) -> None:
    """Evaluate a checkpoint on ``val2017``: what ``tools/test.py`` does."""
    config.model.pretrained = None
    batch = config.data.test.pop("samples_per_gpu", 1)
    dataset = build_dataset(config.data.test, {"test_mode": True})
    loader = build_dataloader(
        dataset,
        samples_per_gpu=batch,
        workers_per_gpu=config.data.workers_per_gpu,
        dist=world_size() > 1,
        shuffle=False,
    )
    model = _build(config)
    loaded = load_checkpoint(model, job.checkpoint, map_location="cpu")
    model.CLASSES = loaded.get("meta", {}).get("CLASSES") or dataset.CLASSES
    book.write("start", _start(model, job))
    results = _test(model, loader, job)
    metrics = dataset.evaluate(results, **_how(config)) if rank() == 0 else {}
    end = {
        "weights": digest_weights(model.state_dict()),
        "updates": {},
        "metrics": numbers(metrics),
        "detections": summaries(dataset, results) if rank() == 0 else {},
        "checkpoint": job.checkpoint,
    }
    book.write("end", end)


def _start(model: Any, job: Job) -> dict[str, object]:
    return {
        "weights": digest_weights(model.state_dict()),
        "schedule": "",
        "environment": describe(job),
        "wrapper": "",
        "backend": backend(),
    }


def _test(model: Any, loader: Any, job: Job) -> Any:
    """Every image's result, on rank 0."""
    number = local_rank()
    if job.host_only:
        devices: list[int] | None = None
    else:
        devices = [number]
        model = model.to(torch.device(job.device, number))
    if world_size() == 1:
        return single_gpu_test(MMDataParallel(model, device_ids=devices), loader)
    wrapped = MMDistributedDataParallel(model, device_ids=devices, broadcast_buffers=False)
    return multi_gpu_test(wrapped, loader, tmpdir=f"{job.out}/results")


def _how(config: Any) -> dict[str, Any]:
    """How a data set is to evaluate, without what says when."""
    asked = dict(config.get("evaluation") or {})
    for key in ("interval", "tmpdir", "start", "gpu_collect", "save_best", "rule"):
        asked.pop(key, None)
    return {"metric": "bbox", **asked}
