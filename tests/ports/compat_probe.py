"""Runs in a Python that has torch, on mmcv 1.2.7 and mmdet 2.x as a port made them: what they do.

``python compat_probe.py OPS FOLDER QUESTION...`` answers questions by name and prints JSON. OPS is
the folder with mmcv's compiled operators, FOLDER one to work in. Every function is one question.
"""

from __future__ import annotations

import copy
import hashlib
import importlib
import json
import os
import pkgutil
import random
import subprocess
import sys
import time
import types
import warnings
from enum import Enum
from inspect import signature
from pathlib import Path
from unittest import mock

warnings.simplefilter("ignore")

import cv2  # noqa: E402
import mmcv  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch import nn  # noqa: E402

torch.set_num_threads(1)
QUESTIONS = {}
OPS, FOLDER = Path(sys.argv[1]), Path(sys.argv[2])
mmcv.__path__.append(str(OPS))

SIZE = 64
CLASSES = ("box", "disk")


def question(function):
    QUESTIONS[function.__name__] = function
    return function


def outcome(function, *args, **kwargs):
    """What a call returns, or what it raises, in words."""
    try:
        return function(*args, **kwargs)
    except Exception as problem:
        return f"{type(problem).__name__}: {problem}"


# A data set and models, as small as they get


def annotations(name="train", images=10):
    """A COCO file of some pictures with no, one or two boxes each."""
    path = FOLDER / f"{name}.json"
    if path.exists():
        return path
    rng, boxes = np.random.RandomState(len(name)), []
    for number in range(images):
        picture = rng.randint(0, 255, (SIZE, SIZE + 8 * number, 3), np.uint8)
        cv2.imwrite(str(FOLDER / f"{name}-{number}.png"), picture)
        for _ in range(number % 3):
            x, y, w, h = (int(v) for v in (*rng.randint(0, 24, 2), *rng.randint(12, 40, 2)))
            corners = [x, y, x + w, y, x + w, y + h, x, y + h]
            boxes.append({"id": len(boxes) + 1, "image_id": number, "bbox": [x, y, w, h]})
            boxes[-1] |= {"area": w * h, "iscrowd": 0, "category_id": 1 + len(boxes) % 2}
            boxes[-1] |= {"segmentation": [corners]}
    pictures = [
        {"id": n, "file_name": f"{name}-{n}.png", "width": SIZE + 8 * n, "height": SIZE}
        for n in range(images)
    ]
    kinds = [{"id": number, "name": kind} for number, kind in enumerate(CLASSES, 1)]
    path.write_text(json.dumps({"images": pictures, "annotations": boxes, "categories": kinds}))
    return path


NORMALIZED = {"type": "Normalize", "mean": [128.0] * 3, "std": [64.0] * 3, "to_rgb": True}


def data(name="train", masks=False):
    """The settings of a data set, and of its pipeline."""
    keys = ["img", "gt_bboxes", "gt_labels", *(["gt_masks"] if masks else [])]
    return {
        "type": "CocoDataset",
        "classes": CLASSES,
        "ann_file": str(annotations(name)),
        "img_prefix": str(FOLDER),
        "pipeline": [
            {"type": "LoadImageFromFile"},
            {"type": "LoadAnnotations", "with_bbox": True, "with_mask": masks},
            {"type": "Resize", "img_scale": (SIZE, SIZE), "keep_ratio": True},
            {"type": "RandomFlip", "flip_ratio": 0.5},
            NORMALIZED,
            {"type": "Pad", "size_divisor": 32},
            {"type": "DefaultFormatBundle"},
            {"type": "Collect", "keys": keys},
        ],
    }


def test_data():
    steps = [
        {"type": "Resize", "keep_ratio": True},
        {"type": "RandomFlip"},
        NORMALIZED,
        {"type": "Pad", "size_divisor": 32},
        {"type": "ImageToTensor", "keys": ["img"]},
        {"type": "Collect", "keys": ["img"]},
    ]
    augmented = {"type": "MultiScaleFlipAug", "img_scale": (SIZE, SIZE), "flip": False}
    pipeline = [{"type": "LoadImageFromFile"}, {**augmented, "transforms": steps}]
    return {**data(), "pipeline": pipeline, "test_mode": True}


BACKBONE = {
    "type": "ResNet", "depth": 18, "num_stages": 4, "out_indices": (0, 1, 2, 3),
    "frozen_stages": 1, "norm_cfg": {"type": "BN", "requires_grad": True}, "norm_eval": True,
    "base_channels": 8, "style": "pytorch",
}  # fmt: skip
ONE_STAGE_TEST = {
    "nms_pre": 50, "min_bbox_size": 0, "score_thr": 0.0,
    "nms": {"type": "nms", "iou_threshold": 0.5}, "max_per_img": 5,
}  # fmt: skip
MAX_IOU = {
    "type": "MaxIoUAssigner", "pos_iou_thr": 0.5, "neg_iou_thr": 0.4, "min_pos_iou": 0,
    "ignore_iof_thr": -1,
}  # fmt: skip
FOCAL = {"type": "FocalLoss", "use_sigmoid": True, "gamma": 2.0, "alpha": 0.25, "loss_weight": 1.0}
DELTAS = {
    "type": "DeltaXYWHBBoxCoder", "target_means": [0.0] * 4, "target_stds": [0.1, 0.1, 0.2, 0.2],
}  # fmt: skip
HEAD = {"num_classes": 2, "in_channels": 16, "feat_channels": 16, "stacked_convs": 1}


def neck(start=1, levels=5):
    return {
        "type": "FPN", "in_channels": [8, 16, 32, 64], "out_channels": 16, "start_level": start,
        "add_extra_convs": "on_input" if start else False, "num_outs": levels,
    }  # fmt: skip


def one_stage(kind, head, assigner):
    train = {"assigner": assigner, "allowed_border": -1, "pos_weight": -1, "debug": False}
    return {
        "type": kind, "pretrained": None, "backbone": dict(BACKBONE), "neck": neck(),
        "bbox_head": {**HEAD, **head}, "train_cfg": train, "test_cfg": ONE_STAGE_TEST,
    }  # fmt: skip


def anchors(**more):
    return {"type": "AnchorGenerator", "strides": [8, 16, 32, 64, 128], "ratios": [1.0], **more}


def two_stage(kind="FasterRCNN", masks=False):
    smooth = {"type": "L1Loss", "loss_weight": 1.0}
    sampler = {
        "type": "RandomSampler", "num": 16, "pos_fraction": 0.5, "neg_pos_ub": -1,
        "add_gt_as_proposals": False,
    }  # fmt: skip
    rois = {
        "type": "SingleRoIExtractor", "out_channels": 16, "featmap_strides": [4, 8, 16, 32],
        "roi_layer": {"type": "RoIAlign", "output_size": 7, "sampling_ratio": 0},
    }  # fmt: skip
    roi_head = {
        "type": "StandardRoIHead",
        "bbox_roi_extractor": rois,
        "bbox_head": {
            "type": "Shared2FCBBoxHead", "in_channels": 16, "fc_out_channels": 32,
            "roi_feat_size": 7, "num_classes": 2, "bbox_coder": DELTAS,
            "reg_class_agnostic": False, "loss_bbox": smooth,
            "loss_cls": {"type": "CrossEntropyLoss", "use_sigmoid": False},
        },
    }  # fmt: skip
    if masks:
        layer = {"type": "RoIAlign", "output_size": 14, "sampling_ratio": 0}
        roi_head["mask_roi_extractor"] = {**rois, "roi_layer": layer}
        roi_head["mask_head"] = {
            "type": "FCNMaskHead", "num_convs": 1, "in_channels": 16, "conv_out_channels": 16,
            "num_classes": 2, "loss_mask": {"type": "CrossEntropyLoss", "use_mask": True},
        }  # fmt: skip
    proposals = {
        "nms_across_levels": False, "nms_pre": 50, "nms_post": 20, "max_num": 20,
        "nms_thr": 0.7, "min_bbox_size": 0, "max_per_img": 20,
        "nms": {"type": "nms", "iou_threshold": 0.7},
    }  # fmt: skip
    rpn = {"assigner": MAX_IOU, "sampler": sampler, "allowed_border": -1, "pos_weight": -1}
    rcnn = {"assigner": MAX_IOU, "sampler": {**sampler, "add_gt_as_proposals": True}}
    return {
        "type": kind, "pretrained": None, "backbone": dict(BACKBONE), "neck": neck(0),
        "rpn_head": {
            "type": "RPNHead", "in_channels": 16, "feat_channels": 16,
            "anchor_generator": {**anchors(scales=[8]), "strides": [4, 8, 16, 32, 64]},
            "bbox_coder": {**DELTAS, "target_stds": [1.0] * 4}, "loss_bbox": smooth,
            "loss_cls": {"type": "CrossEntropyLoss", "use_sigmoid": True},
        },
        "roi_head": roi_head,
        "train_cfg": {
            "rpn": {**rpn, "debug": False}, "rpn_proposal": proposals,
            "rcnn": {**rcnn, "pos_weight": -1, "debug": False, "mask_size": 28},
        },
        "test_cfg": {
            "rpn": proposals,
            "rcnn": {
                "score_thr": 0.0, "nms": {"type": "nms", "iou_threshold": 0.5},
                "max_per_img": 5, "mask_thr_binary": 0.5,
            },
        },
    }  # fmt: skip


MODELS = {
    "fsaf": lambda: one_stage(
        "FSAF",
        {
            "type": "FSAFHead", "reg_decoded_bbox": True,
            "anchor_generator": anchors(octave_base_scale=1, scales_per_octave=1),
            "bbox_coder": {"type": "TBLRBBoxCoder", "normalizer": 4.0},
            "loss_cls": {**FOCAL, "reduction": "none"},
            "loss_bbox": {"type": "IoULoss", "eps": 1e-6, "reduction": "none"},
        },
        {
            "type": "CenterRegionAssigner", "pos_scale": 0.2, "neg_scale": 0.2,
            "min_pos_iof": 0.01,
        },
    ),
    "gfl": lambda: one_stage(
        "GFL",
        {
            "type": "GFLHead", "reg_max": 16, "feat_channels": 32,
            "anchor_generator": anchors(octave_base_scale=8, scales_per_octave=1),
            "loss_cls": {"type": "QualityFocalLoss", "use_sigmoid": True, "beta": 2.0},
            "loss_dfl": {"type": "DistributionFocalLoss", "loss_weight": 0.25},
            "loss_bbox": {"type": "GIoULoss", "loss_weight": 2.0},
        },
        {"type": "ATSSAssigner", "topk": 9},
    ),
    "retinanet": lambda: one_stage(
        "RetinaNet",
        {
            "type": "RetinaHead", "bbox_coder": DELTAS, "loss_cls": FOCAL,
            "anchor_generator": anchors(octave_base_scale=4, scales_per_octave=3),
            "loss_bbox": {"type": "L1Loss"},
        },
        MAX_IOU,
    ),
    "faster_rcnn": two_stage,
    "mask_rcnn": lambda: two_stage("MaskRCNN", masks=True),
}  # fmt: skip


def config(model, **more):
    from mmcv import Config

    settings = {
        "model": MODELS[model](),
        "data": {
            "samples_per_gpu": 2, "workers_per_gpu": 0,
            "train": data(masks="mask" in model), "test": test_data(),
        },
        "optimizer": {"type": "SGD", "lr": 0.01, "momentum": 0.9, "weight_decay": 0.0001},
        "optimizer_config": {"grad_clip": {"max_norm": 35, "norm_type": 2}},
        "lr_config": {"policy": "step", "warmup": "linear", "warmup_iters": 2, "step": [8]},
        "runner": {"type": "EpochBasedRunner", "max_epochs": 1},
        "checkpoint_config": {"interval": 1, "meta": {"score": np.float64(0.5)}},
        "log_config": {"interval": 1, "hooks": [{"type": "TextLoggerHook"}]},
        "log_level": "ERROR", "gpu_ids": [0], "seed": 1, "workflow": [("train", 1)],
        "work_dir": str(FOLDER / f"{model}-{os.environ.get('RANK', '0')}"),
        "resume_from": None, "load_from": None, "dist_params": {"backend": "gloo"},
        **more,
    }  # fmt: skip
    return Config(copy.deepcopy(settings))


def seeded():
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)


def trained(settings, distributed=False, validate=False):
    """Train by mmdet's own ``train_detector``; the model, and every logged line."""
    from mmdet.apis import train_detector
    from mmdet.datasets import build_dataset
    from mmdet.models import build_detector

    seeded()
    model = build_detector(settings.model)
    model.init_weights(None)
    pretty = settings.pretty_text
    compile(pretty, "config", "exec")
    dataset = build_dataset(settings.data.train)
    mmcv.mkdir_or_exist(settings.work_dir)
    with mock.patch.object(time, "sleep"):  # two seconds an epoch, for the sake of deadlocks
        train_detector(
            model,
            [dataset],
            settings,
            distributed=distributed,
            validate=validate,
            timestamp="run",
            meta={"seed": np.int64(1)},
        )
    log = Path(settings.work_dir) / "run.log.json"
    text = log.read_text().splitlines() if log.exists() else []
    return model, [json.loads(line) for line in text]


def digest(model):
    whole = hashlib.sha256()
    for name, value in model.state_dict().items():
        whole.update(name.encode() + value.numpy().tobytes())
    return whole.hexdigest()


# The questions


@question
def imports():
    """Modules that cannot be imported, with what they miss."""
    import mmdet

    missed = {}
    for package in (mmcv, mmdet):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if found.name != "mmcv._ext":
                problem = outcome(importlib.import_module, found.name)
                if isinstance(problem, str):
                    missed[found.name] = problem
    return missed


def losses(name):
    _, lines = trained(config(name))
    return [line["loss"] for line in lines if line.get("mode") == "train"]


for _name in MODELS:
    QUESTIONS[f"train_{_name}"] = lambda name=_name: losses(name)


@question
def resumed():
    """A training of two epochs, and one that is resumed after the first: equal weights?"""
    twice = {"runner": {"type": "EpochBasedRunner", "max_epochs": 2}}
    first = str(FOLDER / "whole" / "epoch_1.pth")
    whole = config("retinanet", work_dir=str(FOLDER / "whole"), **twice)
    half = config("retinanet", work_dir=str(FOLDER / "half"), resume_from=first, **twice)
    for settings in (whole, half):
        # Without chance in the data, and all of it in every step: the order does not matter.
        settings.data.samples_per_gpu = 6
        settings.data.train.pipeline[3].flip_ratio = 0.0
    model, _ = trained(whole)
    again, lines = trained(half)
    epochs = sorted({line["epoch"] for line in lines if "epoch" in line})
    checkpoint = torch.load(first, weights_only=False)
    apart = max(
        float((one - other).abs().max())
        for one, other in zip(model.state_dict().values(), again.state_dict().values())
    )
    return {"epochs": epochs, "score": float(checkpoint["meta"]["score"]), "apart": apart}


@question
def evaluated():
    """Boxes and masks of a model as it comes, evaluated by pycocotools."""
    from mmcv.parallel import MMDataParallel
    from mmdet.apis import single_gpu_test
    from mmdet.datasets import build_dataloader, build_dataset
    from mmdet.models import build_detector

    seeded()
    model = build_detector(config("mask_rcnn").model)
    model.init_weights(None)
    dataset = build_dataset(test_data())
    loader = build_dataloader(dataset, 1, 0, dist=False, shuffle=False)
    results = single_gpu_test(MMDataParallel(model, device_ids=[]), loader)
    found = dataset.evaluate(results, metric=["bbox", "segm"], classwise=True)
    boxes = [np.concatenate(per_class) for per_class, _ in results]
    found |= dataset.evaluate(boxes, metric=["proposal", "proposal_fast"])
    return sorted(name for name in found if "copypaste" not in name)


@question
def inference():
    """A picture in, a picture with boxes out."""
    from mmdet.apis import inference_detector, init_detector

    annotations()
    settings = config("fsaf")
    model = init_detector(settings, device="cpu")
    model.CLASSES = CLASSES
    picture = str(FOLDER / "train-1.png")
    found = inference_detector(model, picture)
    shown = FOLDER / "shown.png"
    model.show_result(picture, found, score_thr=0.0, show=False, out_file=str(shown))
    return [len(found), found[0].shape[1], list(cv2.imread(str(shown)).shape)]


@question
def two_ranks():
    """Two processes over gloo: the digests of their weights, and the results they collect."""
    annotations()
    command = [sys.executable, __file__, str(OPS), str(FOLDER), "rank"]
    variables = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2"}
    started = [
        subprocess.Popen(
            command,
            env={**os.environ, **variables, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            cwd=FOLDER,
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    said = [process.communicate(timeout=300)[0] for process in started]
    return [json.loads(text.splitlines()[-1])["rank"] for text in said]


def free_port():
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@question
def rank():
    from mmcv.parallel import MMDistributedDataParallel
    from mmcv.runner import init_dist
    from mmdet.apis import multi_gpu_test
    from mmdet.datasets import build_dataloader, build_dataset

    init_dist("pytorch", backend="gloo")
    model, _ = trained(config("faster_rcnn"), distributed=True)
    dataset = build_dataset(test_data())
    loader = build_dataloader(dataset, 1, 0, dist=True, shuffle=False)
    wrapped = MMDistributedDataParallel(model, device_ids=None, broadcast_buffers=True)
    counts = []
    for gpu in (False, True):
        results = multi_gpu_test(wrapped, loader, str(FOLDER / "parts"), gpu)
        counts.append(None if results is None else len(results))
    torch.distributed.destroy_process_group()
    return [digest(model), counts]


@question
def unused_parameters_decay():
    """A weight that the second step does not use is decayed there as torch 1.x did it."""
    from mmcv.runner import OptimizerHook

    used, unused = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([used, unused], lr=0.1, weight_decay=0.5)
    runner = types.SimpleNamespace(optimizer=optimizer, model=None)
    values = []
    for loss in (lambda: used + unused * 0, lambda: used * 2):
        runner.outputs = {"loss": loss().sum(), "num_samples": 1}
        OptimizerHook().after_train_iter(runner)
        values.append(round(unused.item(), 6))
    return values


class OwnOptimizer(torch.optim.SGD):
    """Like apex's: its ``zero_grad`` takes nothing."""

    def zero_grad(self):
        self.zeroed = True


@question
def an_optimizers_own_zero_grad():
    from mmcv.runner import OptimizerHook

    weight = nn.Parameter(torch.ones(1))
    optimizer = OwnOptimizer([weight], lr=0.1)
    runner = types.SimpleNamespace(optimizer=optimizer, model=None)
    runner.outputs = {"loss": weight.sum(), "num_samples": 1}
    OptimizerHook().after_train_iter(runner)
    return optimizer.zeroed


@question
def checkpoints():
    """NumPy in the meta, zipped and not."""
    from mmcv.runner import load_checkpoint

    model, answers = nn.Linear(1, 1), []
    for zipped in (True, False):
        path = FOLDER / f"objects-{zipped}.pth"
        meta = {"best": np.float32(0.25), "seed": np.int64(2), "when": np.arange(2)}
        saved = {"state_dict": model.state_dict(), "meta": meta}
        torch.save(saved, path, _use_new_zipfile_serialization=zipped)
        answers.append(float(load_checkpoint(model, str(path), "cpu")["meta"]["best"]))
    return answers


def torchvision(**zoo):
    """Stands in for torchvision, with modules of models."""
    package = types.ModuleType("torchvision")
    package.models = types.ModuleType("torchvision.models")
    package.models.__path__ = [str(FOLDER / "zoo")]
    modules = {"torchvision": package, "torchvision.models": package.models}
    (FOLDER / "zoo").mkdir(exist_ok=True)
    for name, attributes in zoo.items():
        (FOLDER / "zoo" / f"{name}.py").write_text("")
        modules[f"torchvision.models.{name}"] = types.SimpleNamespace(**attributes)
    return mock.patch.dict(sys.modules, modules)


@question
def pretrained_weights():
    from mmcv.runner import checkpoint

    class ResNeXt50_32X4D_Weights(Enum):
        FIRST = types.SimpleNamespace(url="first")
        SECOND = types.SimpleNamespace(url="second")
        url = property(lambda member: member.value.url)

    class None_Weights(Enum):
        pass

    new = {"ResNeXt50_32X4D_Weights": ResNeXt50_32X4D_Weights, "None_Weights": None_Weights}
    old = {"model_urls": {"resnet18": "old"}}
    load = checkpoint.load_from_torchvision
    with mock.patch.dict(sys.modules, {"torchvision": None}):
        answers = [outcome(load, "torchvision://resnet50")]
    told = mock.patch.object(checkpoint, "load_from_http", lambda url, map_location: url)
    with torchvision(resnext=new, resnet=old), told:
        names = ("resnext50_32x4d", "resnet18", "resnet50")
        answers += [outcome(load, f"torchvision://{name}") for name in names]
    return answers


@question
def layers():
    """Layers that torch has moved away from under mmcv."""
    from mmcv.cnn import build_norm_layer
    from mmcv.cnn.bricks import GeneralizedAttention
    from mmcv.ops import SAConv2d, nms_match
    from mmcv.utils.ext_loader import check_ops_exist

    seeded()
    convolved = SAConv2d(2, 2, 3, padding=1)
    attention = GeneralizedAttention(256, spatial_range=2, num_heads=1, attention_type="0010")
    boxes = np.array([[0, 0, 4, 4, 0.9], [0, 0, 4, 4, 0.8]], np.float32)
    return [
        type(build_norm_layer({"type": "SyncBN"}, 4)[1]).__name__,
        list(convolved(torch.rand(1, 2, 8, 8)).shape),
        list(attention(torch.rand(1, 256, 8, 8)).shape),
        [match.tolist() for match in nms_match(boxes, 0.5)],
        check_ops_exist(),
    ]


@question
def metrics():
    """Mean average precision by mmdet itself, and a balanced sample."""
    from mmdet.core import eval_map
    from mmdet.core.bbox.samplers import IoUBalancedNegSampler

    found = [[np.array([[0, 0, 9, 9, 0.9]], np.float32)]]
    truth = {"bboxes": np.array([[0, 0, 9, 9]], np.float32), "labels": np.array([0])}
    precision, _ = eval_map(found, [truth], logger="silent")
    sampler = IoUBalancedNegSampler(4, 0.5, num_bins=2)
    overlaps = torch.linspace(0, 0.4, 12)
    given = types.SimpleNamespace(gt_inds=torch.zeros(12), max_overlaps=overlaps)
    return [float(precision), len(sampler._sample_neg(given, 4))]


@question
def exported():
    """A graph that goes through mmcv's own symbolic functions, where the exporter has its own."""
    from mmcv.onnx.symbolic import register_extra_symbolics

    register_extra_symbolics(11)

    class Net(nn.Module):
        def forward(self, image):
            bigger = nn.functional.interpolate(image, scale_factor=2.0, mode="nearest")
            return torch.topk(bigger.flatten(1).softmax(-1), 3)[0]

    path = FOLDER / "net.onnx"
    image = torch.rand(1, 1, 4, 4)
    old = {"dynamo": False} if "dynamo" in signature(torch.onnx.export).parameters else {}
    torch.onnx.export(Net(), image, str(path), opset_version=11, **old)
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    [got] = session.run(None, {session.get_inputs()[0].name: image.numpy()})
    return bool(np.allclose(got, Net()(image).numpy(), atol=1e-6))


if __name__ == "__main__":
    answers = {}
    for name in sys.argv[3:]:
        begun = time.perf_counter()
        answers[name] = QUESTIONS[name]()
        print(f"{name} {time.perf_counter() - begun:.1f} s", file=sys.stderr)
    print("\n" + json.dumps(answers))
