"""Runs in a Python that has torch, on a ported mmcv 1.2.7: what that does, as JSON.

``python legacy_probe.py plain`` asks without the chip, ``... npu`` with a simulated one, ``... rank``
in one of two processes that train together. Every function is one question; its name is the
answer's key.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
import types
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

PLAIN, CHIP, BOTH, RANK = {"plain"}, {"npu"}, {"plain", "npu"}, {"rank"}
QUESTIONS: list[tuple[str, set[str], Callable[[], object]]] = []

if sys.argv[1] != "plain":
    from porter.rulebook.catalog import get_target
    from porter.sim import install

    install(get_target("npu"))

import torch  # noqa: E402
from mmcv.parallel import DataContainer, MMDataParallel, MMDistributedDataParallel  # noqa: E402
from mmcv.runner import (  # noqa: E402
    EpochBasedRunner,
    Fp16OptimizerHook,
    IterBasedRunner,
    OptimizerHook,
    auto_fp16,
    build_optimizer,
    force_fp32,
    init_dist,
    set_random_seed,
)
from mmcv.utils.device import DEVICE, accelerator  # noqa: E402
from torch import nn  # noqa: E402

torch.set_num_threads(1)
LOG = logging.getLogger("legacy-probe")


def question(where):
    def register(function):
        QUESTIONS.append((function.__name__, where, function))
        return function

    return register


class Model(nn.Module):
    """Tells what it is called with; the loss is that of a line through the images."""

    def __init__(self):
        super().__init__()
        self.line = nn.Linear(4, 2)
        self.fp16_enabled = False
        self.seen: list[object] = []

    def train_step(self, data, optimizer):
        self.seen.append(data)
        loss = self.loss(self(data["img"]))
        return {"loss": loss, "log_vars": {"loss": loss.item()}, "num_samples": len(data["img"])}

    val_step = train_step

    @auto_fp16(apply_to=("img",))
    def forward(self, img):
        self.seen.append(img)
        out = self.line(img.flatten(1)[:, :4])
        self.out_dtype = out.dtype
        return out

    @force_fp32(apply_to=("out",))
    def loss(self, out):
        self.loss_dtype = (out * 1.0).matmul(torch.ones(2, 1, device=out.device)).dtype
        return out.square().mean()


def batch(images=3):
    """A batch as mmdet's pipeline and mmcv's collate make it."""
    return {
        "img": DataContainer([torch.ones(images, 1, 2, 2)], stack=True),
        "gt_bboxes": DataContainer([[torch.ones(n, 4) for n in range(images)]]),
        "gt_bboxes_ignore": DataContainer([[torch.ones(1, 4)] * images]),
        "img_metas": DataContainer([[{"id": n} for n in range(images)]], cpu_only=True),
        "plain": torch.ones(images, 5),
    }


def told(data):
    """Where and how large all that is in a batch is."""
    if isinstance(data, torch.Tensor):
        return [data.device.type, *data.shape]
    if isinstance(data, dict):
        return {key: told(value) for key, value in data.items()}
    return [told(item) for item in data] if isinstance(data, (list, tuple)) else data


def wrapped(model=None):
    model = model or Model()
    if DEVICE != "cuda":
        model.to(DEVICE)
    return MMDataParallel(model, device_ids=[0])


@question(BOTH)
def scattered():
    wrapper = wrapped()
    wrapper.train_step(batch(), None)
    wrapper.val_step(batch(), None)
    wrapper(batch()["img"])
    seen = [told(data) for data in wrapper.module.seen]
    return {"train": seen[0], "val": seen[2], "test": seen[4]}


@question(CHIP)
def a_dataparallel_that_knows_cuda_alone():
    """As torch below 2.0 has it: it leaves the model where it is, and has no devices."""
    with mock.patch(
        "torch.nn.parallel.data_parallel._get_available_device_type", return_value=None
    ):
        wrapper = MMDataParallel(Model(), device_ids=[0])
    wrapper.train_step(batch(), None)
    return [wrapper.device_ids, told(wrapper.module.seen[0]["img"])]


class Loader(list):
    """Batches with the length that a loader has."""

    sampler = None


def runner(kind=EpochBasedRunner, optimizer=None, model=None, **options):
    model = model or wrapped()
    return kind(
        model,
        optimizer=optimizer or torch.optim.SGD(model.parameters(), lr=0.1),
        work_dir=options.pop("work_dir", tempfile.mkdtemp()),
        logger=LOG,
        **options,
    )


def trained(run, loader, hook=None, **hooks):
    """Train on batches, without the pauses between epochs."""
    run.register_training_hooks(None, hook or OptimizerHook(), **hooks)
    with mock.patch("time.sleep"):
        run.run([loader], [("train", 1)])


class Lines(logging.Handler):
    def __init__(self):
        super().__init__(logging.INFO)
        self.lines: list[str] = []

    def emit(self, record):
        self.lines.append(record.getMessage())


@contextmanager
def log():
    handler = Lines()
    LOG.addHandler(handler)
    LOG.setLevel(logging.INFO)
    yield handler.lines
    LOG.removeHandler(handler)


class Clock:
    """A clock on which an iteration takes as long as it is told to."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class Slow(Loader):
    """The first five batches of an epoch take a second each, the others a quarter."""

    clock: Clock

    def __iter__(self):
        for number, item in enumerate(super().__iter__()):
            self.clock.now += 1.0 if number < 5 else 0.25
            yield item


@question(BOTH)
def throughput():
    """The logged figures of: an epoch of 9, one stopped after 7, two epochs, one too short."""
    found = []
    for length, epochs, stop in ((9, 1, None), (9, 1, "7"), (8, 2, None), (5, 1, None)):
        loader = Slow(batch(2) for _ in range(length))
        loader.clock = Clock()
        environment = {} if stop is None else {"PERF_MAX_STEPS": stop}
        with (
            mock.patch.dict(os.environ, environment),
            mock.patch("mmcv.runner.hooks.iter_timer.time.time", loader.clock),
            log() as lines,
        ):
            run = runner(max_epochs=epochs)
            trained(run, loader)
        found.append([run.iter, *(line for line in lines if line.startswith("FPS"))])
    return found


@question(BOTH)
def throughput_of_an_iteration_based_run():
    loader = Slow(batch(2) for _ in range(9))
    loader.clock = Clock()
    with mock.patch("mmcv.runner.hooks.iter_timer.time.time", loader.clock), log() as lines:
        run = runner(IterBasedRunner, max_iters=7)
        trained(run, loader)
    return [line for line in lines if line.startswith("FPS")]


@question(BOTH)
def a_timer_of_the_configs_own():
    from mmcv.runner import HOOKS, Hook

    @HOOKS.register_module()
    class MyTimer(Hook):
        iterations = 0

        def after_iter(self, runner):
            MyTimer.iterations += 1

    trained(runner(max_epochs=1), Loader([batch(), batch()]), timer_config={"type": "MyTimer"})
    return MyTimer.iterations


@question(CHIP)
def seeded():
    with mock.patch.object(accelerator, "manual_seed_all") as everywhere:
        set_random_seed(7)
    return [list(call.args) for call in everywhere.call_args_list]


@question(CHIP)
def resumed():
    """Where each runner has its parameters, momentum and what the checkpoint held on the device."""
    found = []
    for kind, key in ((EpochBasedRunner, "max_epochs"), (IterBasedRunner, "max_iters")):
        with tempfile.TemporaryDirectory() as folder:
            run = runner(kind, work_dir=folder, **{key: 1})
            run.model.module.line.weight.grad = torch.ones_like(run.model.module.line.weight)
            run.optimizer.param_groups[0]["momentum"] = 0.9
            run.optimizer.step()
            run.save_checkpoint(folder, "it.pth", create_symlink=False)
            other = runner(kind, work_dir=folder, **{key: 1})
            with mock.patch.object(other, "load_checkpoint", wraps=other.load_checkpoint) as load:
                other.resume(str(Path(folder, "it.pth")))
        state = next(iter(other.optimizer.state.values()))["momentum_buffer"]
        found.append(
            [
                str(load.call_args.kwargs["map_location"]),
                other.model.module.line.weight.device.type,
                state.device.type,
                bool(torch.equal(other.model.module.line.weight, run.model.module.line.weight)),
            ]
        )
    return found


@question(CHIP)
def logged_memory():
    from mmcv.runner import TextLoggerHook

    hook = TextLoggerHook()
    ballast = torch.ones(2 * 1024 * 1024, device=DEVICE)
    run = SimpleNamespace(model=wrapped(), world_size=1)
    with_output_device = hook._get_max_memory(run)
    without = hook._get_max_memory(SimpleNamespace(model=Model(), world_size=1))
    del ballast
    return [with_output_device >= 8, without >= 8]


@question(CHIP)
def emptied_caches():
    from mmcv.runner.hooks import EmptyCacheHook

    with mock.patch.object(accelerator, "empty_cache") as emptied:
        hook = EmptyCacheHook(True, True, True)
        hook.before_epoch(None), hook.after_iter(None), hook.after_epoch(None)
    return emptied.call_count


@question(BOTH)
def environment():
    from mmcv.utils import collect_env

    found = collect_env()
    return {
        key: str(value) for key, value in found.items() if "NPU" in key or key.startswith("CUDA av")
    }


def launched(launcher, environment, backend="nccl", **options):
    """The device and the arguments that a launcher ends in."""
    with (
        mock.patch.dict(os.environ, environment),
        mock.patch.object(accelerator, "set_device") as bound,
        mock.patch.object(accelerator, "device_count", return_value=8),
        mock.patch("torch.distributed.init_process_group") as group,
        mock.patch("subprocess.getoutput", return_value="node-1"),
    ):
        init_dist(launcher, backend, **options)
        where = {key: os.environ.get(key) for key in ("MASTER_ADDR", "MASTER_PORT", "WORLD_SIZE")}
    return [list(bound.call_args.args), dict(group.call_args.kwargs), where]


THERE = {"MASTER_ADDR": "10.0.0.5", "MASTER_PORT": "1234", "WORLD_SIZE": "16"}


@question(CHIP)
def launched_by_pytorch():
    """The second of two machines that train on four devices each."""
    return launched("pytorch", {**THERE, "RANK": "5", "LOCAL_RANK": "1"}, timeout=30, world_size=16)


@question(CHIP)
def launched_by_mpi():
    return launched(
        "mpi", {**THERE, "OMPI_COMM_WORLD_RANK": "9", "OMPI_COMM_WORLD_LOCAL_RANK": "3"}
    )


@question(CHIP)
def launched_by_slurm():
    slurm = {"SLURM_PROCID": "11", "SLURM_NTASKS": "16", "SLURM_NODELIST": "node-[1-2]"}
    return launched("slurm", {**THERE, **slurm})


@question(CHIP)
def launched_with_other_backends():
    environment = {**THERE, "RANK": "0", "LOCAL_RANK": "0"}
    return [launched("pytorch", environment, name)[1]["backend"] for name in ("gloo", "hccl")]


@question(PLAIN)
def launched_without_a_chip():
    with (
        mock.patch.dict(os.environ, {"RANK": "0", "LOCAL_RANK": "0"}),
        mock.patch("torch.distributed.init_process_group") as group,
    ):
        init_dist("pytorch", "gloo")
        init_dist("pytorch")
        init_dist("pytorch", "hccl")
    return [call.kwargs["backend"] for call in group.call_args_list]


# apex: a stand-in that writes down who calls it, since none is published for a chip.


def fake_apex(combine_grad=False):
    """A package with what mmcv and mmdet call of apex."""
    calls: list[list[object]] = []
    apex, amp, optimizers = (
        types.ModuleType(name) for name in ("apex", "apex.amp", "apex.optimizers")
    )

    def initialize(model, optimizer, opt_level="O1", loss_scale=None):
        calls.append(
            [
                "initialize",
                type(model).__name__,
                str(model.line.weight.device),
                opt_level,
                loss_scale,
            ]
        )
        optimizer._amp_stash = SimpleNamespace(
            master=[p.detach().clone().requires_grad_() for p in model.parameters()]
        )
        return model, optimizer

    def with_combined_gradients(
        model, optimizer, opt_level="O1", loss_scale=None, combine_grad=False
    ):
        initialize(model, optimizer, opt_level, loss_scale)
        calls.append(["combine_grad", combine_grad])
        return model, optimizer

    @contextmanager
    def scale_loss(loss, optimizer):
        calls.append(["scale_loss"])
        yield loss * 8
        for parameter, master in zip(
            optimizer.param_groups[0]["params"], optimizer._amp_stash.master, strict=True
        ):
            master.grad = parameter.grad / 8

    amp.initialize = with_combined_gradients if combine_grad else initialize
    amp.scale_loss = scale_loss
    amp.master_params = lambda optimizer: optimizer._amp_stash.master
    amp.register_float_function = lambda module, name: calls.append(["float", name])

    class NpuFusedOptimizerBase(torch.optim.Optimizer):
        pass

    class NpuFusedSGD(torch.optim.SGD):
        pass

    optimizers.NpuFusedOptimizerBase, optimizers.NpuFusedSGD = NpuFusedOptimizerBase, NpuFusedSGD
    optimizers.SGD = type("SGD", (torch.optim.SGD,), {})
    apex.amp, apex.optimizers = amp, optimizers
    modules = {"apex": apex, "apex.amp": amp, "apex.optimizers": optimizers}
    return mock.patch.dict(sys.modules, modules), calls


@question(BOTH)
def without_apex():
    """Nothing asks for apex, and a run steps as it did."""
    run = runner(max_epochs=1)
    trained(run, Loader([batch()]), OptimizerHook(grad_clip={"max_norm": 1.0}))
    return ["apex" in sys.modules, run.log_buffer.val_history["grad_norm"] != []]


@question(CHIP)
def stepped_with_apex():
    """Which calls there were, and whether the clipped gradients are the master's."""
    patched, calls = fake_apex()
    with patched:
        run = runner(max_epochs=1)
        from mmcv.runner.mixed_precision import initialize

        initialize(run.model.module, run.optimizer, "O1", 128.0)
        trained(run, Loader([batch()]), OptimizerHook(grad_clip={"max_norm": 1e-3}))
    master = run.optimizer._amp_stash.master
    norm = torch.stack([m.grad.norm() for m in master]).norm().item()
    return [calls, norm < 1.1e-3]


@question(CHIP)
def an_installed_apex_that_is_not_asked_for():
    patched, calls = fake_apex()
    with patched:
        run = runner(max_epochs=1)
        trained(run, Loader([batch()]))
    return calls


@question(CHIP)
def fused_optimizers():
    """Apex's, the plugin's and torch's own, by name; a broken apex is no apex."""
    from mmcv.runner.optimizer import builder

    plugin = types.ModuleType("torch_npu.optim")
    plugin.NpuFusedSGD = type("NpuFusedSGD", (torch.optim.SGD,), {})
    plugin.NpuFusedAdam = type("NpuFusedAdam", (torch.optim.Adam,), {})
    patched, _ = fake_apex()
    with patched, mock.patch.dict(sys.modules, {"torch_npu.optim": plugin}):
        builder.register_fused_optimizers()
        again = builder.register_fused_optimizers()
        built = [
            type(build_optimizer(Model(), {"type": name, "lr": 0.1}))
            for name in ("NpuFusedSGD", "NpuFusedAdam", "SGD")
        ]
        owners = [
            built[0] is sys.modules["apex.optimizers"].NpuFusedSGD,
            built[1] is plugin.NpuFusedAdam,
            built[2] is torch.optim.SGD,
        ]
    with mock.patch("importlib.import_module", side_effect=OSError("libapex.so")):
        broken = builder.register_fused_optimizers()
    return [owners, sorted(set(again)), broken]


# PyTorch's own mixed precision.


@question(BOTH)
def mixed_precision():
    """Dtypes inside and outside, the scale, and that the weights moved."""
    model = Model()
    run = runner(model=wrapped(model), max_epochs=1)
    before = model.line.weight.detach().clone()
    if DEVICE == "cuda":  # upstream's way, which the CPU cannot train with
        from mmcv.runner import wrap_fp16_model

        wrap_fp16_model(run.model)
        return [str(model.line.weight.dtype)]
    hook = Fp16OptimizerHook(grad_clip={"max_norm": 35.0}, loss_scale=512.0, distributed=False)
    trained(run, Loader([batch(), batch()]), hook)
    return [
        str(model.line.weight.dtype),
        str(model.out_dtype),
        str(model.loss_dtype),
        hook.loss_scaler.loss_scale,
        not torch.equal(before, model.line.weight),
        bool(torch.isfinite(model.line.weight).all()),
    ]


@question(CHIP)
def mixed_precision_equals_full_precision():
    """The largest difference of the weights after three steps, with the same start."""
    weights = []
    for hook in (OptimizerHook(), Fp16OptimizerHook(loss_scale=512.0, distributed=False)):
        torch.manual_seed(3)
        model = Model()
        trained(runner(model=wrapped(model), max_epochs=1), Loader([batch()] * 3), hook)
        weights.append(model.line.weight.detach().cpu())
    return (weights[0] - weights[1]).abs().max().item() < 1e-3


@question(CHIP)
def an_overflow():
    """A dynamic scale halves, the weights stay, and the next step is made."""
    model = Model()
    run = runner(model=wrapped(model), max_epochs=1)
    before = model.line.weight.detach().clone()
    hook = Fp16OptimizerHook(
        loss_scale={"init_scale": 2.0**40, "mode": "dynamic", "scale_factor": 2.0},
        distributed=False,
    )
    trained(run, Loader([batch()]), hook)
    return [hook.loss_scaler.loss_scale == 2.0**39, torch.equal(before, model.line.weight)]


@question(CHIP)
def a_resumed_scale():
    with tempfile.TemporaryDirectory() as folder:
        run = runner(max_epochs=1, work_dir=folder)
        hook = Fp16OptimizerHook(
            loss_scale={"init_scale": 64.0, "mode": "dynamic"}, distributed=False
        )
        trained(run, Loader([batch()]), hook)
        run.save_checkpoint(folder, "it.pth", create_symlink=False)
        other = runner(max_epochs=2, work_dir=folder, meta={"exp_name": "kept"})
        other.resume(str(Path(folder, "it.pth")))
        resumed = Fp16OptimizerHook(loss_scale="dynamic", distributed=False)
        started = resumed.loss_scaler.loss_scale
        resumed.before_run(other)
    return [started, resumed.loss_scaler.loss_scale, other.meta["exp_name"]]


# mmdet's own layer. Its ops are none of this probe's business.


class AnyOps(types.ModuleType):
    """A compiled module that has every operator, and runs none."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args, **kwargs: None


sys.modules["mmcv._ext"] = AnyOps("mmcv._ext")

CONFIG = {
    "log_level": "ERROR",
    "data": {"samples_per_gpu": 3, "workers_per_gpu": 0},
    "seed": 1,
    "optimizer": {"type": "SGD", "lr": 0.1},
    "optimizer_config": {"grad_clip": {"max_norm": 35.0}},
    "lr_config": None,
    "checkpoint_config": None,
    "log_config": None,
    "runner": {"type": "EpochBasedRunner", "max_epochs": 1},
    "workflow": [("train", 1)],
    "resume_from": None,
    "load_from": None,
}


def detector_trained(gpu_ids=(0,), **options):
    """The model, and the hook that stepped it, after train_detector on two batches."""
    import mmcv
    from mmdet.apis import train

    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(train, "build_dataloader", return_value=Loader([batch(), batch()])),
        mock.patch("time.sleep"),
        mock.patch.object(
            EpochBasedRunner, "register_optimizer_hook", autospec=True,
            side_effect=EpochBasedRunner.register_optimizer_hook,
        ) as registered,
    ):  # fmt: skip
        cfg = mmcv.Config({**CONFIG, **options, "work_dir": folder, "gpu_ids": list(gpu_ids)})
        model = Model()
        train.train_detector(model, [object()], cfg)
        hooks = [type(call.args[1]).__name__ for call in registered.call_args_list]
    return model, hooks


@question(CHIP)
def trained_by_mmdet():
    """On the device that --gpu-ids names, which is the current one meanwhile."""
    current = accelerator.current_device()
    model, _ = detector_trained(gpu_ids=[2])
    found = [
        str(model.line.weight.device),
        accelerator.current_device(),
        model.out_dtype == torch.float32,
    ]
    accelerator.set_device(current)
    return found


@question(CHIP)
def seeded_by_mmdet():
    from mmdet.apis import set_random_seed as seed

    with mock.patch.object(accelerator, "manual_seed_all") as everywhere:
        seed(11)
    return [list(call.args) for call in everywhere.call_args_list]


@question(CHIP)
def asked_for_mixed_precision():
    """fp16, amp without apex, amp with the level that is off, both, and amp with apex."""
    found = []
    for options in (
        {"fp16": {"loss_scale": 512.0}},
        {"amp": True},
        {"amp": {"opt_level": "O1", "loss_scale": 32}},
        {"amp": {"opt_level": "O0"}},
    ):
        model, hooks = detector_trained(**options)
        found.append([hooks[0], str(model.out_dtype)])
    try:
        detector_trained(amp=True, fp16={"loss_scale": 512.0})
    except ValueError as problem:
        found.append(str(problem)[:25])
    return found


@question(CHIP)
def apex_in_its_turn():
    """Calls of an apex without and with combine_grad: the bare model, on the device, before the wrapper."""
    found = []
    for combine_grad in (False, True):
        patched, calls = fake_apex(combine_grad)
        with patched:
            detector_trained(amp={"opt_level": "O2", "loss_scale": 128.0})
        found.append(calls)
    return found


@question(CHIP)
def inferred():
    """Where a model is by default, how a checkpoint gets there, and what two images arrive as."""
    import inspect

    import mmcv
    from mmdet.apis import inference

    model = Model()
    model.cfg = mmcv.Config({"data": {"test": {"pipeline": [{"type": "Any"}]}}})
    seen = []

    def forward(return_loss, rescale, img, img_metas):
        seen.append([told(img), told(img_metas)])
        return [0] * len(img[0])

    model.forward = forward
    model.to(DEVICE)
    image = DataContainer(torch.ones(3, 4, 4), stack=True)
    one = {"img": [image], "img_metas": [DataContainer({"id": 1}, cpu_only=True)]}
    with (
        mock.patch.object(inference, "Compose", return_value=lambda data: one),
        mock.patch.object(inference, "replace_ImageToTensor", lambda pipeline: pipeline),
    ):
        inference.inference_detector(model, ["a.png", "b.png"])
    with (
        mock.patch.object(inference, "build_detector", return_value=Model()),
        mock.patch.object(
            inference, "load_checkpoint", return_value={"meta": {"CLASSES": ()}}
        ) as load,
    ):
        config = mmcv.Config({"model": {"pretrained": None}})
        built = inference.init_detector(config, "some.pth")
    default = inspect.signature(inference.init_detector).parameters["device"].default
    return [default, seen, load.call_args.kwargs["map_location"], built.line.weight.device.type]


@question(BOTH)
def default_devices():
    from inspect import signature

    from mmdet.core.anchor import AnchorGenerator
    from mmdet.core.anchor.point_generator import PointGenerator
    from mmdet.models.dense_heads import AnchorHead, GuidedAnchorHead, SABLRetinaHead

    functions = [
        AnchorGenerator.grid_anchors,
        AnchorGenerator.single_level_grid_anchors,
        AnchorGenerator.valid_flags,
        AnchorGenerator.single_level_valid_flags,
        PointGenerator.grid_points,
        PointGenerator.valid_flags,
        AnchorHead.get_anchors,
        SABLRetinaHead.get_anchors,
        GuidedAnchorHead.get_anchors,
    ]
    return sorted({signature(function).parameters["device"].default for function in functions})


@question(BOTH)
def sampled():
    """From a list, as the balanced samplers do."""
    from mmdet.core.bbox.samplers import RandomSampler, ScoreHLRSampler

    sampler = RandomSampler(4, 0.5)
    where = []
    real = torch.tensor

    def tensor(*args, **kwargs):
        where.append(torch.device(kwargs["device"]).type)
        return real(*args, **kwargs)

    with mock.patch("torch.tensor", tensor):
        picked = sampler.random_choice([3, 4, 5], 2), ScoreHLRSampler.random_choice([3, 4, 5], 2)
    return [where, [len(indices) for indices in picked]]


@question(CHIP)
def batch_norm_under_norm_eval():
    """The running mean stays, as a config with norm_eval asks for."""
    from mmdet.models.backbones import ResNet

    net = ResNet(18, norm_eval=True, frozen_stages=-1).to(DEVICE)
    net.train()
    mean = net.layer4[0].bn1.running_mean.clone()
    net(torch.ones(1, 3, 32, 32, device=DEVICE))
    modes = {type(m).__name__: m.training for m in net.modules()}
    return [torch.equal(mean, net.layer4[0].bn1.running_mean), modes["BatchNorm2d"], net.training]


@question(CHIP)
def waited_for_a_download():
    """The order in which a second rank waits, and reads what the first has fetched."""
    from mmcv.runner import checkpoint

    calls = []
    with (
        mock.patch.dict(os.environ, {"LOCAL_RANK": "1"}),
        mock.patch.object(checkpoint, "get_dist_info", return_value=(1, 2)),
        mock.patch("torch.distributed.barrier", side_effect=lambda: calls.append("barrier")),
        mock.patch.object(
            checkpoint.model_zoo, "load_url", side_effect=lambda *a, **k: calls.append("read")
        ),
    ):
        checkpoint.load_from_http("http://localhost/some.pth")
    return calls


# Two processes.


class DeafTo(Exception):
    """What a communication library says to a dtype it does not know."""


def refusing_uint8():
    """hccl, as the hand port of FSAF met it."""

    def picky(call):
        def checked(*args, **kwargs):
            flat = [t for a in args for t in (a if isinstance(a, list) else [a])]
            if any(isinstance(t, torch.Tensor) and t.dtype == torch.uint8 for t in flat):
                raise DeafTo("uint8")
            return call(*args, **kwargs)

        return checked

    import torch.distributed as dist

    return mock.patch.multiple(
        dist,
        **{name: picky(getattr(dist, name)) for name in ("broadcast", "all_gather", "all_reduce")},
    )


@question(RANK)
def together():
    """Two ranks over the chip's backend: devices, gradients, val_step, mixed precision."""
    import torch.distributed as dist

    init_dist("pytorch")  # nccl, as configs say
    torch.manual_seed(5)
    model = MMDistributedDataParallel(
        Model().to(DEVICE), device_ids=[accelerator.current_device()], broadcast_buffers=False
    )
    rank = dist.get_rank()
    data = batch()
    data["img"] = DataContainer([torch.full((3, 1, 2, 2), 1.0 + rank)], stack=True)
    run = runner(model=model, max_epochs=1)
    trained(run, Loader([data, data]), OptimizerHook(grad_clip={"max_norm": 35.0}))
    model.val_step(batch(), None)
    model.eval()
    model(batch(2)["img"])
    weight = model.module.line.weight.detach()
    both = [torch.zeros_like(weight) for _ in range(2)]
    dist.all_gather(both, weight)
    amp = MMDistributedDataParallel(Model().to(DEVICE), device_ids=[accelerator.current_device()])
    trained(
        runner(model=amp, max_epochs=1),
        Loader([data, data]),
        Fp16OptimizerHook(loss_scale=512.0, distributed=True),
    )
    line = amp.module.line.weight.detach()
    halves = [torch.zeros_like(line) for _ in range(2)]
    dist.all_gather(halves, line)
    return {
        "backend": dist.get_backend(),
        "device": accelerator.current_device(),
        "equal": torch.equal(*both),
        "moved": weight.device.index,
        "seen": told(model.module.seen[0]),
        "val": told(model.module.seen[4]["img"]),
        "test": told(model.module.seen[-1]),
        "amp": [torch.equal(*halves), str(amp.module.out_dtype)],
    }


@question(RANK)
def collected():
    """Results of both ways, over a library that refuses uint8; empty results, and a folder's name."""
    import torch.distributed as dist
    from mmdet.apis.test import collect_results_cpu, collect_results_gpu

    rank = dist.get_rank()
    parts = [[{"rank": rank, "n": n, "text": "é" * (rank + 1)}] for n in range(2)]
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch("tempfile.mkdtemp", return_value=folder + "/é"),
    ):
        Path(folder, "é").mkdir(exist_ok=True)
        with refusing_uint8():
            by_disk = collect_results_cpu(parts, 3)
            by_device = collect_results_gpu(parts, 3)
            dist.barrier()
    return [by_disk, by_device]


def main():
    where = sys.argv[1]
    answers = {}
    for name, asked, function in QUESTIONS:
        if where in asked and (len(sys.argv) < 3 or name in sys.argv[2:]):
            answers[name] = function()
    print(json.dumps(answers))


if __name__ == "__main__":
    main()
