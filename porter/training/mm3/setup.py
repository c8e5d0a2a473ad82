"""From a job to the config that a Runner is built from."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any

from mmengine.config import Config, DictAction

from porter.training.config.full import set_up
from porter.training.config.smoke import shrink
from porter.training.config.walk import plain
from porter.training.job import Job


class PlainConfig(Config):
    """A config that prints itself plainly: formatting one with yapf takes up to seconds."""

    @property
    def pretty_text(self) -> str:
        """The config as Python source that ``Config.fromfile`` reads again."""
        return "".join(f"{key} = {value!r}\n" for key, value in self.to_dict().items())


def make_config(job: Job, world: int) -> Config:
    """The config of a job: read, shrunk or set up, and with the job's options merged.

    Raises:
        CannotTrain: If the config cannot serve the job's task.
    """
    values = plain(Config.fromfile(job.config).to_dict())
    if job.task == "smoke":
        shrink(values, job, world)
    else:
        set_up(values, job)
    _place(values, job, world)
    made = PlainConfig if job.task == "smoke" else Config
    config = made(values, filename=job.config)
    config.merge_from_dict({**job.options, **_options(job.cfg_options)})
    return config


def _place(values: dict[str, Any], job: Job, world: int) -> None:
    """Where the run writes, and how its processes find each other."""
    values["work_dir"] = job.out
    values["launcher"] = "pytorch" if world > 1 else "none"
    values.setdefault("default_scope", "mmdet")
    if job.task == "smoke" and job.resume:
        values.update(load_from=job.resume, resume=True)
    if job.host_only and world > 1:
        wrapper = values.setdefault("model_wrapper_cfg", {"type": "MMDistributedDataParallel"})
        wrapper["device_ids"] = None  # torch refuses a device's number for modules on the host
        wrapper.setdefault("broadcast_buffers", False)
        wrapper.setdefault(
            "find_unused_parameters", bool(values.get("find_unused_parameters", False))
        )


def _options(texts: Sequence[str]) -> dict[str, Any]:
    """``key=value`` texts, read as mmengine's own scripts read them."""
    parser = ArgumentParser()
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, default={})
    found = parser.parse_args(["--cfg-options", *texts] if texts else [])
    return dict(found.cfg_options)
