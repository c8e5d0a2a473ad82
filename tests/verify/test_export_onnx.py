"""A model as ONNX: what is refused, what is told, and a real one in ONNX Runtime."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from porter.cli import main
from porter.errors import CouldNotRun, UsageError
from porter.render.blocks import Fields, Text
from porter.render.export_onnx import export_blocks
from porter.source import Cache
from porter.verify import errand
from porter.verify.errand import Errand
from porter.verify.export_onnx import NEEDED, ExportOutcome, ExportRequest, _gate, run_export
from porter.verify.launch.interpreter import Module
from porter.verify.launch.process import Launch
from porter.verify.trees import Trees
from porter.verify.watch import Silent
from tests.helpers import all_targets
from tests.verify.test_train import stand_ins
from tests.verify.world import World


def asked(folder: Path, **values: Any) -> ExportRequest:
    job = Errand("fsaf", folder, all_targets(), all_targets()["npu"], "cpu", Path("python"), None)
    return ExportRequest(job, **{"out": folder / "a.onnx", "shape": (64, 96), **values})


def export_outcome(**values: Any) -> ExportOutcome:
    common = {"opset": 11, "nodes": 7, "operators": ("Conv",), "size": 2_500_000}
    measured = {"compared": 3, "difference": 1.5e-5, **values}
    return ExportOutcome(asked(Path("vendor")), "a.py", {"mmdet": "2.11.0"}, **common, **measured)


def folder_of(version: str) -> Any:
    return SimpleNamespace(versions={"mmdet": version})


def python_without(*names: str) -> Any:
    modules = {name: Module(name, problem="gone" if name in names else "") for name in NEEDED}
    return SimpleNamespace(executable=Path("/opt/my python"), modules=modules)


def test_mmdet_3_is_refused_with_what_works() -> None:
    with pytest.raises(CouldNotRun, match=r"mmdet 3\.3\.0 has no exporter") as refusal:
        _gate(folder_of("3.3.0"), python_without(), NEEDED)
    assert "--set legacy --pin mmdet=2.11.0" in refusal.value.hint


def test_what_is_missing_is_named_with_the_command_that_installs_it() -> None:
    with pytest.raises(CouldNotRun, match="has no onnx and no onnxruntime") as refusal:
        _gate(folder_of("2.11.0"), python_without(*NEEDED), NEEDED)
    assert refusal.value.hint == "Install it: '/opt/my python' -m pip install onnx onnxruntime"
    _gate(folder_of("2.11.0"), python_without("onnxruntime"), NEEDED[:1])


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"shape": (8, 800)}, "--shape 8 800: too small"),
        ({"out": Path("a.pt")}, "a.pt: not a kind"),
    ],
)
def test_what_makes_no_sense_is_refused_first(
    tmp_path: Path, values: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        run_export(asked(tmp_path, **values), Cache(tmp_path / "cache"), Silent())


@pytest.fixture
def job_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """The job of an export, whose process finds what it is told to."""
    for name, value in stand_ins(tmp_path).items():
        if hasattr(errand, name):
            monkeypatch.setattr(errand, name, value)
    monkeypatch.setattr("porter.verify.export_onnx._gate", lambda *arguments: None)
    vendor = SimpleNamespace(
        trees=lambda: Trees(dict.fromkeys(("mmcv", "mmdet"), tmp_path), {}),
        versions={"mmdet": "2.11.0"},
    )
    monkeypatch.setattr(errand, "open_folder", lambda into: vendor)

    def run(**values: Any) -> Any:
        started: list[Launch] = []

        def fake(launch: Launch, follow: Any) -> int:
            started.append(launch)
            Path(launch.job["result"]).write_bytes(b"model")
            found = {"kind": "found", "opset": 11, "nodes": 1, "operators": [], "bytes": 5}
            text = json.dumps({**found, "compared": None, "difference": None})
            (launch.out / "rank-0.jsonl").write_text(text + "\n", encoding="utf-8")
            return 0

        monkeypatch.setattr(errand, "train", fake)
        run_export(asked(tmp_path, **values), Cache(tmp_path / "cache"), Silent())
        return started[0].job

    return run


def test_every_option_is_in_the_job(tmp_path: Path, job_of: Callable[..., Any]) -> None:
    job = job_of(image=tmp_path / "in.png", tolerance=0.25)
    assert (job["task"], job["shape"], job["tolerance"]) == ("onnx", [64, 96], 0.25)
    assert job["image"] == str(tmp_path / "in.png")
    assert job["host_only"] is True
    assert job_of(image=tmp_path / "in.png", check=False)["tolerance"] == 0.0
    assert (tmp_path / "a.onnx").read_bytes() == b"model"


def words_of(outcome: ExportOutcome) -> str:
    blocks = export_blocks(outcome)
    texts = [block.text for block in blocks if isinstance(block, Text)]
    pairs = [f"{name}: {value}" for b in blocks if isinstance(b, Fields) for name, value in b.pairs]
    return "\n".join([*texts, *pairs])


def test_what_it_tells() -> None:
    told = words_of(export_outcome())
    assert "3 boxes, largest difference from PyTorch 1.5e-05 (limit 0.0001)" in told
    assert "opset 11, 7 nodes, 2.5 MB" in told
    assert "The weights are random" in told
    assert "ONNX Runtime: not asked" in words_of(export_outcome(compared=None, difference=None))


CONFIG = """
_base_ = "{base}"
model = dict(
    backbone=dict(type="ResNet", depth=18), neck=dict(in_channels=[64, 128, 256, 512]),
    test_cfg=dict(score_thr=0.0))
test = [
    dict(type="LoadImageFromFile"),
    dict(type="MultiScaleFlipAug", img_scale=(64, 64), flip=False, transforms=[
        dict(type="Resize", keep_ratio=True),
        dict(type="Normalize", mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375]),
        dict(type="Pad", size_divisor=32),
        dict(type="ImageToTensor", keys=["img"]),
        dict(type="Collect", keys=["img"])])]
data = dict(test=dict(pipeline=test))
"""


@pytest.fixture(scope="module")
def vendor(world: World) -> Path:
    """The ported packages."""
    words = ("--target", "npu", "--set", "legacy", "--pin", "mmdet=2.11.0")

    def make(folder: Path) -> None:
        assert main(["apply", *words, "--into", str(folder)]) == 0

    return world._once("npu-2.11", make)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from porter.verify.models import recipes

    base = Path(recipes.__file__).parent / "configs/mmdet2/fsaf/fsaf_r50_fpn_1x_coco.py"
    path = tmp_path_factory.mktemp("onnx") / "tiny.py"
    path.write_text(CONFIG.format(base=base), encoding="utf-8")
    return path


@pytest.mark.torch
@pytest.mark.upstream
@pytest.mark.slow
class TestReal:
    """FSAF with ResNet-18 on mmcv 1.2.7 and mmdet 2.11.0, on 64 pixels."""

    def test_onnx_runtime_finds_what_pytorch_finds(
        self, world: World, vendor: Path, config: Path, tmp_path: Path, capsys: Any
    ) -> None:
        import onnx

        out = tmp_path / "tiny.onnx"
        words = ("--into", str(vendor), "--python", str(world.python), "--shape", "64", "96")
        assert main(["export-onnx", str(config), *words, "--out", str(out), "--json"]) == 0
        document = json.loads(capsys.readouterr().out)
        assert document["compared"] > 20
        assert document["difference"] < 1e-5
        written = onnx.load(str(out))
        assert written.opset_import[0].version == 11
        assert {node.domain for node in written.graph.node} == {""}, "no operators of one's own"

    def test_a_difference_above_the_tolerance_leaves_nothing(
        self, world: World, vendor: Path, config: Path, tmp_path: Path, capsys: Any
    ) -> None:
        out = tmp_path / "tiny.onnx"
        words = ("--into", str(vendor), "--python", str(world.python), "--shape", "64", "96")
        more = ("--tolerance", "1e-12", "--out", str(out))
        assert main(["export-onnx", str(config), *words, *more]) == 22
        assert "ONNX Runtime differs from PyTorch by" in capsys.readouterr().err
        assert list(tmp_path.iterdir()) == []

    def test_a_picture_is_looked_at_on_the_simulated_npu(
        self, world: World, vendor: Path, config: Path, tmp_path: Path, capsys: Any
    ) -> None:
        out = tmp_path / "out.png"
        words = ("--into", str(vendor), "--python", str(world.python), "--device", "sim")
        some = ("--score-thr", "0", "--out", str(out), "--json")
        assert main(["demo", str(config), *words, *some]) == 0
        document = json.loads(capsys.readouterr().out)
        assert set(document["devices"]) == {"npu:0"}
        assert len(document["boxes"]) == document["found"] > 0
        assert out.read_bytes()[:4] == b"\x89PNG"
