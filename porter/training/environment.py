"""Where a training takes torch, the mm packages and its device from.

``prepare`` runs before anything of mm is imported. The chip's plugin is not imported here: the
ported tree has to do that itself.
"""

from __future__ import annotations

import importlib
import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from porter.training.errors import CannotTrain
from porter.training.job import Job

#: Reported beside the mm packages, if they are there.
LIBRARIES = ("torch", "numpy", "cv2", "pycocotools")
PACKAGES = ("mmengine", "mmcv", "mmdet")


def prepare(job: Job) -> None:
    """Make this process one that the job can run in.

    Raises:
        CannotTrain: If a package comes from elsewhere than its given tree.
    """
    if job.host_only:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    if job.side == "upstream":
        # Since torch 2.6 mmengine cannot read its own checkpoints: its fault, and no chip's.
        os.environ.setdefault("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    if job.sim:
        simulate(job.sim)
    import torch

    if job.threads:
        torch.set_num_threads(job.threads)
    use_trees(job.trees, job.ops)
    if job.host_only and not is_first_generation(job):
        stay_on_host()


def is_first_generation(job: Job) -> bool:
    """Whether the trees are mmcv 1.x and mmdet 2.x, which know no mmengine."""
    return "mmengine" not in job.trees


def simulate(text: str) -> None:
    """Install the simulated chip that a spec in JSON describes.

    Raises:
        CannotTrain: If porter's simulated chip cannot be imported in this Python.
    """
    try:
        from porter.sim import Spec
        from porter.sim.install import install_spec
    except ImportError as problem:
        raise CannotTrain(
            f"the simulated chip cannot be imported: {problem}",
            hint="It needs Python 3.10 and what porter itself needs.",
        ) from problem
    install_spec(Spec.from_json(text))


def use_trees(trees: Mapping[str, str], ops: str) -> None:
    """Put the trees first on ``sys.path``, import them, and see that they are what came.

    Raises:
        CannotTrain: If a package was imported from elsewhere.
    """
    for root in dict.fromkeys(reversed(list(trees.values()))):
        sys.path.insert(0, root)
    for name, root in trees.items():
        module = importlib.import_module(name)
        if name == "mmcv" and ops:
            module.__path__.append(ops)
        check_origin(name, module, Path(root))


def check_origin(name: str, module: Any, root: Path) -> None:
    """See that a package came from its tree.

    Raises:
        CannotTrain: If it did not.
    """
    found = Path(module.__file__).resolve().parent
    if found != (root / name).resolve():
        raise CannotTrain(
            f"{name} was imported from {found}, not from {root / name}",
            hint="Something imported it before, or the tree is incomplete.",
        )


def stay_on_host() -> None:
    """Have mmengine say ``cpu`` when it is asked for its device."""
    utils: Any = importlib.import_module("mmengine.device.utils")
    utils.DEVICE = "cpu"


def rank() -> int:
    """This process's number among all that train together; 0 if it is alone."""
    return int(os.environ.get("RANK", "0"))


def local_rank() -> int:
    """This process's number among those of its machine; 0 if it is alone."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def world_size() -> int:
    """How many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def describe(job: Job) -> dict[str, str]:
    """Name -> value of what the run stood on, for the records."""
    import torch

    found = {"python": platform.python_version(), "machine": platform.machine()}
    for name in (*LIBRARIES, *PACKAGES):
        version = getattr(sys.modules.get(name), "__version__", "")
        if version:
            found[name] = str(version)
    found["threads"] = str(torch.get_num_threads())
    found["device name"] = device_name(job)
    return found


def device_name(job: Job) -> str:
    """What the device calls itself; empty where it cannot say."""
    if job.sim:
        return "simulated"
    if job.host_only or job.device == "cpu":
        return platform.processor() or platform.machine()
    import torch

    try:
        return str(getattr(torch, job.device).get_device_name(0))
    except Exception:  # a plugin may raise whatever it likes here
        return ""
