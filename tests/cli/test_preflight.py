"""A preflight: configs merged by reading, operators found by reading, and where they run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from porter.audit.preflight.config import read_config, types_in
from porter.errors import UsageError
from porter.verify.models.recipes import known_models

from .conftest import Run

FILES = {
    "configs/_base_/model.py": (
        "channels = [64, 128]\n"
        "model = dict(type='Detector', neck=dict(type='FPN', in_channels=channels, extra=1),\n"
        "             head=dict(type='Head', loss=dict(type='FocalLoss', gamma=2.0)))\n"
    ),
    "configs/a.py": (
        "_base_ = './_base_/model.py'\n"
        "width = 2\n"
        "model = dict(neck=dict(out_channels=width * 8), head=dict(\n"
        "    loss=dict(_delete_=True, type='GIoULoss')), aux=[dict(type='DCNv2'), len('x')])\n"
    ),
    "configs/b.py": "_base_ = ['a.py', '_base_/model.py']\nmodel.update(dict(data=dict(type='P')))\n",
    "configs/circle.py": "_base_ = 'circle.py'\n",
    "configs/broken.py": "model = dict(\n",
    "configs/lazy.py": (
        "from mmengine.config import read_base\nfrom mmdet.models import RetinaNet\n"
        "with read_base():\n    from ._base_.model import *\n"
        "model.update(dict(type=RetinaNet))\n"
    ),
}


def read(path: str) -> bytes:
    return FILES[path].encode()


def test_bases_merge_entry_by_entry() -> None:
    values = read_config("configs/a.py", read)
    assert values["model"] == {
        "type": "Detector",
        "neck": {"type": "FPN", "in_channels": [64, 128], "extra": 1, "out_channels": 16},
        "head": {"type": "Head", "loss": {"type": "GIoULoss"}},
        "aux": [{"type": "DCNv2"}, None],
    }
    assert sorted(types_in(values)) == ["DCNv2", "Detector", "FPN", "GIoULoss", "Head"]


def test_updates_and_lazy_configs_are_read() -> None:
    assert "P" in types_in(read_config("configs/b.py", read))
    assert read_config("configs/lazy.py", read)["model"]["type"] == "RetinaNet"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("configs/circle.py", "go round in a circle"),
        ("configs/broken.py", "broken.py: not a config"),
        ("configs/none.py", "there is no config configs/none.py"),
    ],
)
def test_configs_that_cannot_be_read_are_told(path: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read_config(path, read)


MMDET = {
    "mmdet/__init__.py": "__version__ = '3.3.0'\n",
    "mmdet/models/head.py": (
        "import torch\nfrom mmcv.ops import DeformConv2d, batched_nms, carafe, point_sample, roi_pool\n"
        "from mmdet.registry import MODELS\nfrom .base import Base\n\n\n"
        "@MODELS.register_module()\nclass Head(Base):\n\n"
        "    def __init__(self, up='nearest', use_dcn=False):\n"
        "        if use_dcn:\n            self.conv = DeformConv2d()\n"
        "        if up == 'carafe':\n            self.up = carafe\n\n"
        "    def forward(self, x):\n"
        "        if x.is_cuda:\n            return roi_pool(x)\n"
        "        return torch.reflection_pad2d(point_sample(x))\n\n"
        "    def predict(self, x):\n        return batched_nms(x)\n"
    ),
    "mmdet/models/base.py": (
        "from mmcv.ops import roi_align\n\n\nclass Base:\n    def extract(self, x):\n        return roi_align(x)\n"
    ),
    "mmdet/configs/head.py": "model = dict(type='Head')\n",
    "mmdet/configs/full.py": "_base_ = './head.py'\nmodel = dict(up='carafe', use_dcn=True, x=dict(type='Nowhere'))\n",
}
OPS = (
    "from ..utils import ext_loader\next_module = ext_loader.load_ext('_ext', [])\n\n\n"
    "class {cls}(Function):\n    @staticmethod\n    def forward(ctx, x):\n"
    "        return ext_module.{op}_forward(x)\n\n\n{name} = {cls}.apply\n"
)
MMCV = {
    "mmcv/__init__.py": "__version__ = '2.1.0'\n",
    "mmcv/ops/nms.py": (
        "from ..utils import ext_loader\next_module = ext_loader.load_ext('_ext', ['nms'])\n\n\n"
        "def nms(x):\n    return ext_module.nms(x)\n\n\ndef batched_nms(x):\n    return eval('nms')(x)\n"
    ),
    "mmcv/ops/roi_align.py": OPS.format(cls="RoIAlignFunction", op="roi_align", name="roi_align"),
    "mmcv/ops/roi_pool.py": OPS.format(cls="RoIPoolFunction", op="roi_pool", name="roi_pool"),
    "mmcv/ops/carafe.py": OPS.format(cls="CARAFEFunction", op="carafe", name="carafe"),
    "mmcv/ops/deform_conv.py": (
        "from .host_fallback import on_host\nfrom ..utils import ext_loader\n"
        "ext_module = ext_loader.load_ext('_ext', [])\n\n\nclass DeformConv2d:\n    def forward(self, x):\n"
        "        return on_host(ext_module.deform_conv_forward)(x)\n"
    ),
    "mmcv/ops/point_sample.py": "def point_sample(x):\n    return x\n",
    "mmcv/ops/csrc/pytorch/npu/roi.cpp": "REGISTER_NPU_IMPL(roi_align_forward_impl,\n    roi_align_forward_npu);\n",
}


@pytest.fixture
def vendor(tmp_path: Path) -> Path:
    for package, files in {"mmdet": MMDET, "mmcv": MMCV}.items():
        for name, text in files.items():
            place = tmp_path / "trees" / package / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
    return tmp_path / "trees"


def operators(run: Run, vendor: Path, *arguments: str) -> dict[str, str]:
    found = run("preflight", *arguments, "--into", str(vendor), "--json")
    return {entry["op"]: entry["where"] for entry in json.loads(found.out)["operators"]}


def test_each_operator_runs_somewhere(run: Run, vendor: Path) -> None:
    assert operators(run, vendor, "head", "--target", "sdaa") == {
        "aten::reflection_pad2d": "missing",
        "nms": "vendor build",
        "point_sample": "PyTorch",
        "roi_align": "known wrong",
        "roi_pool": "fallback",
    }


def test_what_the_config_asks_for_decides(run: Run, vendor: Path) -> None:
    found = operators(run, vendor, "full.py", "--target", "npu")
    assert found == {
        "carafe": "missing",
        "deform_conv": "fallback",
        "nms": "native",
        "point_sample": "PyTorch",
        "roi_align": "native",
        "roi_pool": "fallback",
    } | {"nms": found["nms"]}


def test_the_exit_code_says_whether_it_will_do(run: Run, vendor: Path) -> None:
    where = ("--into", str(vendor))
    assert run("preflight", "head", "--target", "sdaa", *where).code == 23
    text = run("preflight", "full", "--target", "sdaa", *where).out
    assert "Nowhere" in text
    assert "carafe" in text
    good = vendor / "mmdet/mmdet/configs/good.py"
    good.write_text("model = dict(type='Nothing')\n", encoding="utf-8")
    found = run("preflight", str(good), "--target", "sdaa", *where)
    assert (found.code, "no operator of mmcv's" in found.out) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(("haed",), "there is no such config"), (("head", "--into", "."), "both there")],
)
def test_bad_arguments_are_told(
    run: Run, vendor: Path, arguments: tuple[str, ...], words: str
) -> None:
    found = run("preflight", "--target", "sdaa", "--into", str(vendor), *arguments)
    assert (found.code, words in found.err) == (2, True), found.err


@pytest.mark.upstream
@pytest.mark.slow
@pytest.mark.parametrize("name", ["reppoints", "dcnv2", "deformable_detr", "fcos", "mask_rcnn"])
def test_the_operators_that_recipes_name_are_found(
    run: Run, upstream_cache: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORTER_CACHE", str(upstream_cache))
    found = run("preflight", name, "--target", "sdaa", "--json")
    document = json.loads(found.out)
    assert set(known_models()[name].ops) <= {entry["op"] for entry in document["operators"]}
    assert document["ready"], document["operators"]
