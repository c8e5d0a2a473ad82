"""What a tree of mm packages does on the host, as a JSON file.

    PYTHON porter/training/behaviour.py '{"roots": {...}, "mode": "plain", ..., "out": "a.json"}'

Imports every module, notes the names each has and whether importing touched a device, and asks
some questions whose answers a port must not change. In the mode ``chip`` it imports beside a
stand-in of the chip's plugin, which writes down what is called. Where mmcv's operators are not
built, a stand-in takes their place, so that what imports them can be imported.

It imports nothing of porter's, and runs on Python 3.8.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import inspect
import json
import os
import sys
import types
import warnings
from pathlib import Path
from typing import Any, Callable, Iterator

#: Asking these of a device initialises nothing.
HARMLESS = {
    "is_available", "is_initialized", "device_count", "is_bf16_supported", "_is_in_bad_fork",
    "_is_compiled", "get_amp_supported_dtype", "is_autocast_enabled",
}  # fmt: skip
LEFT_OUT_FOLDERS = {".mim", "__pycache__"}


class Calls:
    """What was called of a device while some module was imported."""

    def __init__(self) -> None:
        self.module = ""
        self.found: list[str] = []

    def note(self, name: str) -> None:
        entry = f"{self.module} calls {name}"
        if self.module and entry not in self.found:
            self.found.append(entry)


def main(text: str) -> None:
    """Do the job; its file appears when all is done."""
    job = json.loads(text)
    # Run by its path, the folder of this file would come first, and its modules hide others.
    sys.path[0:1] = list(dict.fromkeys(job["roots"].values()))
    warnings.simplefilter("ignore")
    import torch

    torch.set_num_threads(1)
    calls = Calls()
    watch_cuda(torch, calls)
    if job["mode"] == "chip":
        stand_in_for_plugin(torch, job["device"], job["plugin"], calls)
    stand_in_for_operators()
    modules = {}  # type: dict[str, str]
    for package, root in job["roots"].items():
        for name in module_names(root, package):
            calls.module = name
            modules[name] = outcome_of_import(name)
    calls.module = ""
    answers = {} if job["mode"] == "chip" else dict(asked())
    found = {
        "modules": modules,
        "names": {name: names_of(name) for name, said in modules.items() if said == "ok"},
        "initialised": calls.found,
        "answers": answers,
    }
    Path(job["out"]).write_text(json.dumps(found), encoding="utf-8")


# Stand-ins


def watch_cuda(torch: Any, calls: Calls) -> None:
    """Note when CUDA is initialised, whether there is any or not."""
    original = torch.cuda._lazy_init

    def watched(*args: Any, **kwargs: Any) -> Any:
        calls.note("torch.cuda._lazy_init")
        return original(*args, **kwargs)

    torch.cuda._lazy_init = watched


def stand_in_for_plugin(torch: Any, device: str, plugin: str, calls: Calls) -> None:
    """Make the plugin importable, and the device one that is there and notes its calls."""
    if not plugin or device == "cuda":
        return

    def made(name: str) -> types.ModuleType:
        return Recorder(name, device, calls)

    module = made(device)
    if hasattr(torch, device):
        setattr(torch, device, module)
    else:
        torch.utils.rename_privateuse1_backend(device)
        torch._register_device_module(device, module)
    sys.meta_path.insert(0, PluginFinder((plugin, f"torch.{device}"), made))


class Recorder(types.ModuleType):
    """A device's module: every function of it is there, and says that it was called."""

    def __init__(self, name: str, device: str, calls: Calls) -> None:
        super().__init__(name)
        self.__path__ = []  # type: list[str]
        self._device, self._calls = device, calls

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in ("amp", "npu", self._device):
            return Recorder(f"{self.__name__}.{name}", self._device, self._calls)
        if name[:1].isupper():
            return type(name, (), {})

        def call(*_args: Any, **_kwargs: Any) -> Any:
            if name not in HARMLESS:
                self._calls.note(f"torch.{self._device}.{name}")
            return 1 if name == "device_count" else name == "is_available"

        return call


class PluginFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the plugin, the device's module in torch, and whatever is asked for within them."""

    def __init__(self, roots: tuple[str, ...], made: Callable[[str], types.ModuleType]) -> None:
        self.roots, self.made = roots, made

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if any(name == root or name.startswith(f"{root}.") for root in self.roots):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec: Any) -> types.ModuleType:
        return self.made(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        pass


class Operators(types.ModuleType):
    """mmcv's compiled operators: all there, and none that can be called."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def missing(*_args: Any, **_kwargs: Any) -> None:
            raise NotImplementedError(name)

        return missing


def stand_in_for_operators() -> None:
    """Put a stand-in where mmcv's operators would be, if they are not built."""
    spec = importlib.util.find_spec("mmcv") if "mmcv" not in sys.modules else None
    folders = list(spec.submodule_search_locations or []) if spec else []
    built = any(list(Path(folder).glob("_ext.*")) for folder in folders)
    if folders and not built:
        sys.modules["mmcv._ext"] = Operators("mmcv._ext")


# Modules and their names


def module_names(root: str, package: str) -> Iterator[str]:
    """Every module of a package, in the order of the names."""
    found = []
    for folder, inner, files in os.walk(Path(root, package)):
        inner[:] = sorted(
            name
            for name in inner
            if name not in LEFT_OUT_FOLDERS and Path(folder, name, "__init__.py").is_file()
        )
        base = os.path.relpath(folder, root).replace(os.sep, ".")
        for name in files:
            if name == "__init__.py":
                found.append(base)
            elif name.endswith(".py") and name != "__main__.py" and name[:-3].isidentifier():
                found.append(f"{base}.{name[:-3]}")
    return iter(sorted(found))


def outcome_of_import(name: str) -> str:
    """``ok``, or what importing raises."""
    try:
        importlib.import_module(name)
    except Exception as problem:
        return f"{type(problem).__name__}: {str(problem).splitlines()[0] if str(problem) else ''}"
    except SystemExit:
        return "SystemExit"
    return "ok"


def names_of(module: str) -> dict[str, list[str]]:
    """The public names of a module, and the parameters of its own functions and methods."""
    found = {}  # type: dict[str, list[str]]
    for name, value in vars(sys.modules[module]).items():
        if name.startswith("_") or inspect.ismodule(value):
            continue
        if getattr(value, "__module__", "") == "typing":
            continue  # for annotations alone
        found[name] = []
        if getattr(value, "__module__", "") != module:
            continue
        if inspect.isfunction(value):
            found[name] = parameters_of(value)
        elif inspect.isclass(value):
            for inner, method in vars(value).items():
                if inspect.isfunction(method):
                    found[f"{name}.{inner}"] = parameters_of(method)
    return found


def parameters_of(function: Any) -> list[str]:
    try:
        return list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return []


# Questions


QUESTIONS = []  # type: list[Callable[[], Any]]


def question(function: Callable[[], Any]) -> Callable[[], Any]:
    """Ask this one too; its name is the answer's key."""
    QUESTIONS.append(function)
    return function


def asked() -> Iterator[Any]:
    """Every question with its answer, or the name of what it raises."""
    for function in QUESTIONS:
        try:
            yield function.__name__, function()
        except Exception as problem:
            yield function.__name__, {"error": type(problem).__name__}


def digest(*tensors: Any) -> str:
    """One name for exactly these numbers."""
    whole = hashlib.sha256()
    for tensor in tensors:
        array = tensor.detach().cpu().contiguous().numpy()
        whole.update(f"{array.dtype}{array.shape}".encode())
        whole.update(array.tobytes())
    return whole.hexdigest()[:16]


@question
def device() -> Any:
    from mmengine.device import get_device

    return get_device()


@question
def devices_there_are() -> Any:
    import mmengine.device as module

    names = [name for name in module.__all__ if name.startswith("is_")]
    return {name: bool(getattr(module, name)()) for name in names}


@question
def random_numbers() -> Any:
    import numpy
    import torch
    from mmengine.runner import set_random_seed

    seed = set_random_seed(7)
    return [seed, torch.rand(2).tolist(), float(numpy.random.rand())]


@question
def indexed_instances() -> Any:
    import numpy
    import torch
    from mmengine.structures import InstanceData

    data = InstanceData(scores=torch.arange(4.0), names=["a", "b", "c", "d"])
    mask = torch.tensor([True, False, False, True])
    indexes = [torch.tensor([3, 1]), mask, numpy.array([2]), 1]
    return [[data[index].scores.tolist(), data[index].names] for index in indexes]


@question
def autocast_on_the_host() -> Any:
    import torch
    from mmengine.runner.amp import autocast

    with autocast():
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    return [str(product.dtype), product.float().sum().item()]


@question
def amp_without_an_accelerator() -> Any:
    import torch
    from mmengine.optim import AmpOptimWrapper

    weight = torch.nn.Linear(1, 1)
    try:
        AmpOptimWrapper(optimizer=torch.optim.SGD(weight.parameters(), lr=0.1))
    except Exception as problem:
        return type(problem).__name__
    return "made"


@question
def optimizer_steps() -> Any:
    import torch
    from mmengine.optim import OptimWrapper

    torch.manual_seed(0)
    model = torch.nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    wrapper = OptimWrapper(optimizer, accumulative_counts=2, clip_grad={"max_norm": 0.5})
    for _ in range(4):
        with wrapper.optim_context(model):
            loss = model(torch.ones(2, 3)).pow(2).mean()
        wrapper.update_params(loss)
    return digest(*model.parameters())


@question
def model_moved_and_preprocessed() -> Any:
    import torch
    from mmengine.model import ImgDataPreprocessor

    preprocessor = ImgDataPreprocessor(mean=[1, 2, 3], std=[4, 5, 6], pad_size_divisor=32)
    image = torch.arange(3 * 10 * 12, dtype=torch.uint8).reshape(3, 10, 12)
    batch = preprocessor.to("cpu")({"inputs": [image]}, training=False)
    return [list(batch["inputs"].shape), digest(batch["inputs"]), str(preprocessor.device)]


@question
def checkpoints_there_and_back() -> Any:
    import torch
    from mmengine.runner.checkpoint import _load_checkpoint, save_checkpoint

    torch.manual_seed(1)
    state = {"state_dict": {"w": torch.rand(3)}, "meta": {"epoch": 2}}
    save_checkpoint(state, "there.pth")
    loaded = _load_checkpoint("there.pth", map_location="cpu")
    return [digest(loaded["state_dict"]["w"]), loaded["meta"]["epoch"]]


@question
def nothing_to_reduce_alone() -> Any:
    import torch
    from mmengine import dist

    tensor = torch.arange(3.0)
    dist.all_reduce(tensor)
    gathered = dist.all_gather(tensor)
    objects = dist.collect_results([1, 2], 2)
    return [tensor.tolist(), [part.tolist() for part in gathered], objects, dist.get_backend()]


@question
def conv_module() -> Any:
    import torch
    from mmcv.cnn import ConvModule

    torch.manual_seed(3)
    norm, act = {"type": "BN"}, {"type": "ReLU"}
    module = ConvModule(3, 4, 3, padding=1, norm_cfg=norm, act_cfg=act)
    result = module(torch.rand(2, 3, 8, 8))
    result.sum().backward()
    return [list(result.shape), digest(result, module.conv.weight.grad)]


@question
def resized_image() -> Any:
    import mmcv
    import numpy

    image: Any = numpy.arange(24 * 20 * 3, dtype=numpy.uint8).reshape(24, 20, 3)
    return hashlib.sha256(mmcv.imresize(image, (10, 12)).tobytes()).hexdigest()[:16]


@question
def points_sampled() -> Any:
    import torch
    from mmcv.ops.point_sample import point_sample

    torch.manual_seed(4)
    return digest(point_sample(torch.rand(1, 2, 6, 6), torch.rand(1, 5, 2)))


@question
def deformable_attention_in_pytorch() -> Any:
    import torch
    from mmcv.ops.multi_scale_deform_attn import multi_scale_deformable_attn_pytorch

    torch.manual_seed(5)
    shapes = torch.tensor([[4, 4], [2, 2]])
    value, places = torch.rand(1, 20, 2, 4), torch.rand(1, 3, 2, 2, 2, 2)
    weights = torch.rand(1, 3, 2, 2, 2)
    return digest(multi_scale_deformable_attn_pytorch(value, shapes, places, weights))


@question
def legacy_optimizer_and_hooks() -> Any:
    import torch
    from mmcv.runner import EpochBasedRunner, OptimizerHook, build_optimizer

    torch.manual_seed(6)
    model = torch.nn.Linear(2, 1)
    settings = {"type": "SGD", "lr": 0.1, "momentum": 0.9}
    optimizer = build_optimizer(model, settings)
    hook = OptimizerHook(grad_clip={"max_norm": 1.0})
    model(torch.ones(1, 2)).sum().backward()
    norm = hook.clip_grads(model.parameters())
    optimizer.step()
    return [digest(*model.parameters()), float(norm), EpochBasedRunner.__name__]


def boxes(count: int) -> Any:
    import torch

    torch.manual_seed(count)
    corner = torch.rand(count, 2) * 50
    return torch.cat([corner, corner + torch.rand(count, 2) * 30 + 1], dim=1)


@question
def losses() -> Any:
    import torch
    from mmdet.models import losses as module

    found = {}
    torch.manual_seed(8)
    scores, labels = torch.randn(6, 4), torch.tensor([0, 1, 2, 3, 4, 4])
    for name in ("CrossEntropyLoss", "GaussianFocalLoss", "SmoothL1Loss", "L1Loss", "MSELoss"):
        loss = getattr(module, name)()
        wanted = labels.clamp(max=3) if name == "CrossEntropyLoss" else torch.rand(6, 4)
        given = scores.sigmoid() if name == "GaussianFocalLoss" else scores
        found[name] = digest(loss(given.clone().requires_grad_(), wanted))
    for name in ("IoULoss", "GIoULoss", "DIoULoss", "CIoULoss"):
        weight = torch.tensor([1.0, 0.5, 0.0, 1.0, 1.0])
        found[name] = digest(getattr(module, name)()(boxes(5), boxes(5) + 1, weight))
    quality = module.QualityFocalLoss()
    found["QualityFocalLoss"] = digest(quality(scores, (labels, torch.rand(6))))
    return found


@question
def focal_loss_in_pytorch() -> Any:
    import torch
    from mmdet.models.losses.focal_loss import py_sigmoid_focal_loss

    torch.manual_seed(9)
    scores = torch.randn(6, 3, requires_grad=True)
    wanted = torch.nn.functional.one_hot(torch.tensor([0, 1, 2, 0, 1, 2]), 3)
    loss = py_sigmoid_focal_loss(scores, wanted)
    loss.backward()
    return digest(loss, scores.grad)


@question
def assigned_boxes() -> Any:
    import torch

    found = {}
    anchors, truths, labels = boxes(40), boxes(5) + 2, torch.arange(5)
    settings = {"pos_iou_thr": 0.3, "neg_iou_thr": 0.2, "min_pos_iou": 0.1}
    try:
        from mmdet.models.task_modules.assigners import MaxIoUAssigner, PointAssigner
        from mmengine.structures import InstanceData

        def assign(assigner: Any, priors: Any) -> Any:
            return assigner.assign(
                InstanceData(priors=priors), InstanceData(bboxes=truths, labels=labels)
            )
    except ImportError:
        from mmdet.core.bbox.assigners import MaxIoUAssigner, PointAssigner

        def assign(assigner: Any, priors: Any) -> Any:
            return assigner.assign(priors, truths, gt_labels=labels)

    points = torch.cat([torch.rand(30, 2) * 80, torch.full((30, 1), 8.0)], dim=1)
    for assigner, priors in ((MaxIoUAssigner(**settings), anchors), (PointAssigner(), points)):
        result = assign(assigner, priors)
        found[type(assigner).__name__] = [digest(result.gt_inds, result.labels)]
    return found


@question
def coded_boxes() -> Any:
    try:
        from mmdet.models.task_modules.coders import DeltaXYWHBBoxCoder
        from mmdet.structures.bbox import bbox_overlaps
    except ImportError:
        from mmdet.core.bbox.coder import DeltaXYWHBBoxCoder
        from mmdet.core.bbox.iou_calculators import bbox_overlaps
    coder = DeltaXYWHBBoxCoder()
    coded = coder.encode(boxes(7), boxes(7) + 3)
    return digest(coded, coder.decode(boxes(7), coded), bbox_overlaps(boxes(7), boxes(4)))


@question
def anchors_and_points() -> Any:
    try:
        from mmdet.models.task_modules.prior_generators import AnchorGenerator, MlvlPointGenerator
    except ImportError:
        from mmdet.core.anchor import AnchorGenerator, MlvlPointGenerator
    anchors = AnchorGenerator(
        strides=[8, 16], ratios=[0.5, 1.0], octave_base_scale=4, scales_per_octave=2
    )
    points = MlvlPointGenerator(strides=[8, 16])
    sizes = [(4, 5), (2, 3)]
    try:
        made = [*anchors.grid_priors(sizes, device="cpu"), *points.grid_priors(sizes, device="cpu")]
    except (AttributeError, TypeError):
        made = list(anchors.grid_anchors(sizes, device="cpu"))
    return digest(*made, *anchors.valid_flags(sizes, (30, 40), device="cpu"))


@question
def backbone_and_neck() -> Any:
    import torch
    from mmdet.models.backbones import ResNet
    from mmdet.models.necks import FPN

    torch.manual_seed(10)
    backbone = ResNet(18, base_channels=8, frozen_stages=-1)
    neck = FPN([8, 16, 32, 64], 8, 5)
    levels = neck(backbone(torch.rand(1, 3, 64, 64)))
    sum(level.sum() for level in levels).backward()
    return [len(levels), digest(*levels, backbone.conv1.weight.grad)]


if __name__ == "__main__":
    main(sys.argv[1])
