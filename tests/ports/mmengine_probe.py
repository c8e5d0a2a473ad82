"""Runs in a Python that has torch, on some mmengine: what that does, as JSON.

``python mmengine_probe.py plain`` asks what must hold without any plugin, ``... chip`` what
must hold with one. Every function is one question; its name is the answer's key.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable
from types import SimpleNamespace
from unittest import mock

import numpy as np
import torch
from torch import nn

PLAIN, CHIP, BOTH = {"plain"}, {"chip"}, {"plain", "chip"}
QUESTIONS: list[tuple[str, set[str], Callable[[], object]]] = []


def question(where):
    def register(function):
        QUESTIONS.append((function.__name__, where, function))
        return function

    return register


def outcome(function, *args, **kwargs):
    """What a call returns, or the name of what it raises."""
    try:
        return function(*args, **kwargs)
    except Exception as problem:
        return type(problem).__name__


def told(name):
    """What the stand-in was called with, since last asked."""
    import torch_sdaa

    found = [args for called, args in torch_sdaa.calls if called == name]
    torch_sdaa.calls.clear()
    return found


@question(BOTH)
def device():
    from mmengine.device import get_device

    return get_device()


@question(BOTH)
def names():
    import mmengine.device

    return sorted(mmengine.device.__all__)


@question(BOTH)
def random_numbers():
    from mmengine.runner import set_random_seed

    seed = set_random_seed(7)
    return [seed, torch.rand(2).tolist(), np.random.rand()]


@question(CHIP)
def seeded():
    from mmengine.runner import set_random_seed

    told("manual_seed_all")
    set_random_seed(11)
    return [11] in told("manual_seed_all")


@question(BOTH)
def indexed():
    from mmengine.structures import InstanceData

    data = InstanceData(scores=torch.arange(4.0), names=["a", "b", "c", "d"])
    indexes = (torch.tensor([3, 1]), torch.tensor([True, False, False, True]), np.array([2]), 1)
    picked = [[data[i].scores.tolist(), data[i].names] for i in indexes]
    return [*picked, outcome(lambda: data[torch.tensor([0.5])])]


@question(PLAIN)
def autocast_on_cpu():
    from mmengine.runner.amp import autocast

    with autocast():
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    return [str(product.dtype), outcome(lambda: autocast(dtype=torch.float16).__enter__())]


@question(CHIP)
def autocast_is_on():
    from mmengine.runner.amp import autocast

    with autocast(dtype=torch.float16):
        return [torch.is_autocast_enabled("sdaa"), str(torch.get_autocast_dtype("sdaa"))]


@question(CHIP)
def autocast_for_a_missing_dtype():
    from mmengine.runner.amp import autocast

    return outcome(lambda: autocast(dtype=torch.bfloat16).__enter__())


def amp_wrapper(**kwargs):
    from mmengine.optim import AmpOptimWrapper

    model = nn.Linear(1, 1)
    return AmpOptimWrapper(optimizer=torch.optim.SGD(model.parameters(), lr=0.1), **kwargs)


@question(PLAIN)
def amp_without_an_accelerator():
    return outcome(amp_wrapper)


@question(CHIP)
def grad_scaler():
    plain, static = amp_wrapper().loss_scaler, amp_wrapper(loss_scale=512.0).loss_scaler
    return [type(plain).__module__, plain.is_enabled(), static.get_scale()]


@question(CHIP)
def sharded_grad_scaler():
    scaler = amp_wrapper(use_fsdp=True).loss_scaler
    return [type(scaler).__name__, scaler.is_enabled(), scaler._device]


@question(CHIP)
def sharded_grad_scaler_that_cannot_be_told_the_device():
    import torch.distributed.fsdp.sharded_grad_scaler as module

    class Own:
        def __init__(self, init_scale=1.0):
            self.init_scale = init_scale

    with mock.patch.object(module, "ShardedGradScaler", Own):
        return amp_wrapper(use_fsdp=True, loss_scale=2.0).loss_scaler.init_scale


def launched(launcher, backend, **environment):
    """The backend that a launcher ends up with, or the name of what it raises."""
    from mmengine.dist import init_dist

    variables = {"MASTER_ADDR": "localhost", "RANK": "5", "WORLD_SIZE": "8", **environment}
    with (
        mock.patch.dict(os.environ, variables),
        mock.patch("torch.distributed.init_process_group") as start,
        mock.patch("subprocess.getoutput", return_value="localhost"),
    ):
        problem = outcome(init_dist, launcher, backend)
    return problem or start.call_args.kwargs["backend"]


PYTORCH = {"LOCAL_RANK": "1"}
MPI = {
    "OMPI_COMM_WORLD_LOCAL_RANK": "1",
    "OMPI_COMM_WORLD_RANK": "5",
    "OMPI_COMM_WORLD_SIZE": "8",
}
SLURM = {"SLURM_PROCID": "6", "SLURM_NTASKS": "8", "SLURM_NODELIST": "node"}


@question(BOTH)
def launched_by_pytorch():
    return launched("pytorch", "nccl", **PYTORCH)


@question(BOTH)
def launched_by_mpi():
    return launched("mpi", "nccl", **MPI)


@question(PLAIN)
def launched_by_slurm_without_a_device():
    return launched("slurm", "nccl", **SLURM)


@question(PLAIN)
def launched_on_cuda():
    """As on a machine that has CUDA, without one."""
    with mock.patch("torch.cuda.set_device") as bound:
        backends = [launched("pytorch", name, **PYTORCH) for name in ("nccl", "gloo", "tccl")]
    return [backends, [call.args[0] for call in bound.call_args_list]]


@question(CHIP)
def launched_by_slurm_with_local_id():
    return launched("slurm", "nccl", **SLURM, SLURM_LOCALID="1")


@question(CHIP)
def launched_by_slurm_without_local_id():
    told("set_device")
    return [launched("slurm", "nccl", **SLURM), told("set_device")]


@question(CHIP)
def bound_by_each_launcher():
    told("set_device")
    launched("pytorch", "nccl", **PYTORCH)
    launched("mpi", "nccl", **MPI)
    launched("slurm", "nccl", **SLURM, SLURM_LOCALID="1")
    return told("set_device")


@question(CHIP)
def launched_with_other_backends():
    return [launched("pytorch", name, **PYTORCH) for name in ("gloo", "tccl")]


@question(CHIP)
def launched_through_deepspeed():
    from mmengine.dist import init_dist

    deepspeed = SimpleNamespace(init_distributed=mock.Mock())
    with (
        mock.patch.dict(os.environ, {"RANK": "0", "WORLD_SIZE": "1", **PYTORCH}),
        mock.patch.dict(sys.modules, {"deepspeed": deepspeed}),
    ):
        init_dist("pytorch", "nccl", init_backend="deepspeed")
    return deepspeed.init_distributed.call_args.kwargs["dist_backend"]


@question(CHIP)
def communicates_on():
    from mmengine.dist import utils

    with mock.patch.object(utils, "get_backend", return_value="tccl"):
        chip = str(utils.get_comm_device())
    with mock.patch.object(utils, "get_backend", return_value="gloo"):
        return [chip, str(utils.get_comm_device())]


@question(BOTH)
def collectives_over_gloo():
    import mmengine.dist as dist

    with tempfile.TemporaryDirectory() as folder:
        store = torch.distributed.FileStore(f"{folder}/store", 1)
        torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
        try:
            from mmengine.dist.dist import _all_gather_object, _broadcast_object_list

            gathered, sent = [None], [{"a": 1}]
            _all_gather_object(gathered, {"b": 2})
            _broadcast_object_list(sent)
            return [gathered, sent, str(dist.get_comm_device()), dist.get_backend()]
        finally:
            torch.distributed.destroy_process_group()


@question(BOTH)
def logged_memory():
    from mmengine.runner import LogProcessor

    runner = SimpleNamespace(model=SimpleNamespace(output_device=3))
    return outcome(LogProcessor()._get_max_memory, runner)


@question(CHIP)
def memory_reset():
    from mmengine.device import get_max_sdaa_memory

    told("reset_peak_memory_stats")
    get_max_sdaa_memory(3)
    return told("reset_peak_memory_stats")


@question(CHIP)
def emptied_caches():
    from mmengine.hooks import EmptyCacheHook

    told("empty_cache")
    hook = EmptyCacheHook(before_epoch=True, after_epoch=True, after_iter=True)
    hook._before_epoch(None)
    hook._after_epoch(None)
    hook._after_iter(None, 0)
    return len(told("empty_cache"))


@question(CHIP)
def waits():
    from mmengine.utils.dl_utils import TimeCounter

    told("synchronize")
    TimeCounter()(lambda: None)()
    with TimeCounter(tag="block"):
        pass
    return len(told("synchronize"))


def device_id(**environment):
    from mmengine.logging.logger import _get_device_id

    kept = {name: value for name, value in os.environ.items() if "VISIBLE" not in name}
    with mock.patch.dict(os.environ, {**kept, **environment}, clear=True):
        return _get_device_id()


@question(BOTH)
def device_ids():
    return [
        device_id(LOCAL_RANK="1"),
        device_id(LOCAL_RANK="1", SDAA_VISIBLE_DEVICES="4,6"),
        device_id(LOCAL_RANK="1", SDAA_VISIBLE_DEVICES="4"),
        device_id(LOCAL_RANK="1", SDAA_VISIBLE_DEVICES="0.0,0.1"),
    ]


@question(BOTH)
def environment():
    from mmengine.utils.dl_utils import collect_env

    with mock.patch.dict(sys.modules, {"torchvision": None}):
        found = collect_env()
    return {name: str(found[name]) for name in found if name.startswith(("CUDA", "GPU", "SDAA"))}


@question(BOTH)
def loaded_checkpoint():
    from mmengine.logging import HistoryBuffer
    from mmengine.runner.checkpoint import load_from_local

    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/epoch_1.pth"
        torch.save({"message_hub": HistoryBuffer([1.0], [1]), "seed": np.int64(3)}, path)
        checkpoint = outcome(load_from_local, path, "cpu")
    return checkpoint if isinstance(checkpoint, str) else int(checkpoint["seed"])


def tiny_model():
    from mmengine.model import BaseModel

    class Tiny(BaseModel):
        def forward(self, inputs, data_samples=None, mode="tensor"):
            return inputs

    return Tiny()


@question(CHIP)
def model_method():
    model = tiny_model()
    with mock.patch.object(nn.Module, "sdaa", create=True) as moved:
        model.sdaa()
        model.sdaa(1)
    return [
        str(model.data_preprocessor.device),
        [str(call.args[0]) for call in moved.call_args_list],
    ]


@question(CHIP)
def preprocessor_method():
    preprocessor = tiny_model().data_preprocessor
    with mock.patch.object(nn.Module, "sdaa", create=True):
        preprocessor.sdaa()
    return str(preprocessor.device)


@question(CHIP)
def data_element_method():
    from mmengine.structures import BaseDataElement

    moved = torch.zeros(2)
    with mock.patch.object(torch.Tensor, "sdaa", return_value=moved, create=True):
        element = BaseDataElement(a=torch.ones(2), b="text").sdaa()
    return [element.a is moved, "b" in element]


@question(PLAIN)
def methods_without_the_plugin():
    model = tiny_model()
    return [outcome(lambda: model.sdaa()), outcome(lambda: model.data_preprocessor.sdaa())]


def main(where: str) -> None:
    answers = {name: function() for name, wanted, function in QUESTIONS if where in wanted}
    print(json.dumps(answers, default=str))


if __name__ == "__main__":
    main(sys.argv[1])
