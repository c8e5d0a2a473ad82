"""A picture in, a picture with boxes out: what is asked, what is told, and a real one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from porter.cli import main
from porter.errors import CouldNotRun, UsageError, WriteError
from porter.render.blocks import Text
from porter.render.demo import demo_blocks
from porter.source import Cache
from porter.verify import errand
from porter.verify.demo import PICTURES, Box, DemoOutcome, DemoRequest, run_demo
from porter.verify.errand import Errand, check_out, hand_over
from porter.verify.launch.place import Site
from porter.verify.launch.process import Launch
from porter.verify.watch import Silent
from tests.helpers import all_targets
from tests.verify.test_train import stand_ins
from tests.verify.world import World


def asked(folder: Path, **values: Any) -> DemoRequest:
    common = {"target": all_targets()["sdaa"], "device": "cpu", "python": Path("python")}
    job = Errand(
        "centernet", folder, all_targets(), **common, checkpoint=values.pop("checkpoint", None)
    )
    return DemoRequest(job, **{"image": folder / "in.png", "out": folder / "out.png", **values})


def demo_outcome(**values: Any) -> DemoOutcome:
    box = Box("cat", 0.5, (1.0, 2.0, 3.0, 4.0))
    common = {"found": 7, "boxes": (box,), "highest": 0.5, "seconds": 1.0, "devices": {"cpu": 9}}
    site = Site("sim", "sdaa", "tccl")
    made = DemoOutcome(asked(Path("vendor")), site, "sdaa", "a.py", Path("in.png"), **common)
    return replace(made, **values)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("out.gif", "not a kind of file"),
        ("folder.png", "is a folder"),
        ("none/out.png", "no folder"),
    ],
)
def test_a_picture_that_cannot_be_written_is_refused_first(
    tmp_path: Path, name: str, words: str
) -> None:
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(UsageError, match=words):
        check_out(tmp_path / name, PICTURES)


def test_what_was_made_arrives_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, out = tmp_path / "made.png", tmp_path / "out.png"
    made.write_bytes(b"new")
    out.write_bytes(b"old")

    def full(path: Path, data: bytes, draft: Path) -> None:
        draft.write_bytes(data[:1])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(errand, "write_atomically", full)
        with pytest.raises(WriteError, match=r"--out .*out.png: No space left"):
            hand_over(made, out)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made.png", "out.png"]
    assert out.read_bytes() == b"old"
    hand_over(made, out)
    assert out.read_bytes() == b"new"


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Launch]:
    """Run a demo whose process writes the given record, and give what was to be started."""
    (tmp_path / "configs").mkdir()
    for name, value in stand_ins(tmp_path).items():
        if hasattr(errand, name):
            monkeypatch.setattr(errand, name, value)

    def run(*records: Mapping[str, Any], code: int = 0, **values: Any) -> Launch:
        started: list[Launch] = []

        def fake(launch: Launch, follow: Any) -> int:
            started.append(launch)
            Path(launch.job["result"]).write_bytes(b"picture")
            text = "".join(json.dumps(record) + "\n" for record in records)
            (launch.out / "rank-0.jsonl").write_text(text, encoding="utf-8")
            (launch.out / "output.log").write_text("the last words", encoding="utf-8")
            return code

        monkeypatch.setattr(errand, "train", fake)
        run_demo(asked(tmp_path, **values), Cache(tmp_path / "cache"), Silent())
        return started[0]

    return run


FOUND = {"kind": "found", "found": 0, "boxes": [], "highest": 0.0, "seconds": 1.0, "devices": {}}


def test_every_option_is_in_the_job(tmp_path: Path, child: Callable[..., Launch]) -> None:
    job = child(FOUND, checkpoint=tmp_path / "a.pth", score_thr=0.7).job
    assert (job["task"], job["score_thr"]) == ("demo", 0.7)
    assert job["checkpoint"] == str(tmp_path / "a.pth")
    assert job["image"] == str(tmp_path / "in.png")
    assert (job["host_only"], job["device"]) == (True, "cpu")
    assert (tmp_path / "out.png").read_bytes() == b"picture"


@pytest.mark.parametrize(
    ("records", "code", "words"),
    [
        ([{"kind": "failure", "error": "CannotTrain", "message": "in.png: bad", "trace": "x"}], 1, "^in.png: bad$"),
        ([{"kind": "failure", "error": "KeyError", "message": "'a'", "trace": "here"}], 1, "exit code 1: KeyError: 'a'\nhere"),
        ([], -9, "exit code -9: the last words"),
        ([], 0, "exit code 0: the last words"),
    ],
)  # fmt: skip
def test_a_demo_that_fails_leaves_no_picture(
    tmp_path: Path, child: Callable[..., Launch], records: Any, code: int, words: str
) -> None:
    with pytest.raises(CouldNotRun, match=words):
        child(*records, code=code)
    assert not list(tmp_path.glob("*.png"))


def words_of(outcome: DemoOutcome) -> str:
    return "\n".join(block.text for block in demo_blocks(outcome) if isinstance(block, Text))


def test_what_it_tells() -> None:
    told = words_of(demo_outcome())
    assert "1 box with a score of 0.3 or more" in told
    assert "The weights are random" in told
    none = words_of(demo_outcome(boxes=(), highest=0.125))
    assert "no box with a score of 0.3 or more; the highest is 0.125" in none
    assert "nothing found" in words_of(demo_outcome(boxes=(), found=0, highest=0.0))
    many = words_of(demo_outcome(boxes=demo_outcome().boxes * 12))
    assert "and 2 more" in many


CONFIG = """
_base_ = "{configs}/retinanet/retinanet_r18_fpn_1x_coco.py"
test_dataloader = dict(dataset=dict(pipeline=[
    dict(type="LoadImageFromFile"), dict(type="Resize", scale=(64, 64), keep_ratio=True),
    dict(type="PackDetInputs", meta_keys=(
        "img_id", "img_path", "ori_shape", "img_shape", "scale_factor"))]))
"""


@pytest.fixture(scope="module")
def config(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("demo") / "tiny.py"
    configs = world.ported() / "mmdet" / "mmdet" / ".mim" / "configs"
    path.write_text(CONFIG.format(configs=configs), encoding="utf-8")
    return path


@pytest.mark.torch
@pytest.mark.upstream
@pytest.mark.slow
class TestReal:
    """Upstream's RetinaNet on the simulated chip, on a picture of 64 pixels."""

    def call(self, world: World, config: Path, out: Path, *words: str) -> int:
        into = ("--into", str(world.ported()), "--python", str(world.python))
        return main(["demo", str(config), *into, "--out", str(out), *words])

    def test_boxes_are_found_on_the_device_and_drawn(
        self, world: World, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        from porter.verify.data.dataset import synthetic_coco

        out = tmp_path / "out.png"
        assert self.call(world, config, out, "--score-thr", "0", "--json") == 0
        document = json.loads(capsys.readouterr().out)
        assert set(document["devices"]) == {"sdaa:0"}
        assert document["checkpoint"] is None
        assert len(document["boxes"]) == document["found"] > 0
        original = Path(document["image"])
        assert original.parent == synthetic_coco(world.cache) / "val2017"
        assert out.read_bytes()[:4] == b"\x89PNG"
        assert out.read_bytes() != original.read_bytes()

    def test_a_checkpoint_of_another_model(
        self, world: World, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        import torch

        torch.save({"state_dict": {"backbone.conv1.weight": torch.zeros(1)}}, tmp_path / "a.pth")
        words = ("--checkpoint", str(tmp_path / "a.pth"), "--device", "cpu")
        assert self.call(world, config, tmp_path / "out.png", *words) == 22
        error = capsys.readouterr().err
        assert "are missing, such as backbone." in error
        assert "1 have another shape, such as backbone.conv1.weight" in error
        assert not (tmp_path / "out.png").exists()

    def test_a_file_that_is_no_picture(
        self, world: World, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "a.png").write_text("no picture", encoding="utf-8")
        words = ("--image", str(tmp_path / "a.png"), "--device", "cpu")
        assert self.call(world, config, tmp_path / "out.png", *words) == 22
        assert "not a picture that OpenCV can read" in capsys.readouterr().err
