"""From a job to the config that ``train_detector`` is given."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any

from mmcv import Config, DictAction

from porter.training.config.mm2.full import set_up
from porter.training.config.mm2.smoke import shrink
from porter.training.config.walk import plain
from porter.training.job import Job


def make_config(job: Job, world: int) -> Config:
    """The config of a job: read, shrunk or set up, and with the job's options merged.

    Raises:
        CannotTrain: If the config cannot serve the job's task.
    """
    values = plain(Config.fromfile(job.config)._cfg_dict.to_dict())
    if job.task == "smoke":
        shrink(values, job, world)
    else:
        set_up(values, job)
    values.update(work_dir=job.out, seed=job.seed, gpu_ids=range(world))
    for key, usual in USUAL.items():
        values.setdefault(key, usual)
    config = Config(values, filename=job.config)
    config.merge_from_dict({**job.options, **_options(job.cfg_options)})
    return config


#: What mmdet's ``_base_/default_runtime.py`` says, for configs that stand alone. Of the
#: backend it says nothing: which one it is unless a config names it, the tree has to know.
USUAL: dict[str, Any] = {
    "dist_params": {},
    "log_level": "INFO",
    "load_from": None,
    "resume_from": None,
    "workflow": [("train", 1)],
    "checkpoint_config": {"interval": 1},
    "log_config": {"interval": 50, "hooks": [{"type": "TextLoggerHook"}]},
    "custom_hooks": [],
}


def _options(texts: Sequence[str]) -> dict[str, Any]:
    """``key=value`` texts, read as mmdet's own scripts read them; and None, which they do not."""
    parser = ArgumentParser()
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, default={})
    found = parser.parse_args(["--cfg-options", *texts] if texts else [])
    return {key: None if value == "None" else value for key, value in found.cfg_options.items()}
