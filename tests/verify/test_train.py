"""What a full-size training is asked, and what it says where it cannot begin."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from porter.errors import UsageError, WriteError
from porter.source import Cache
from porter.verify import train
from porter.verify.launch.process import Launch, Ranks
from porter.verify.train import TrainRequest, run_training
from porter.verify.watch import Silent
from tests.helpers import all_targets


def request(folder: Path, **asked: Any) -> TrainRequest:
    values = {"data": folder / "coco", "work": folder / "work", **asked}
    return TrainRequest("train", "centernet", folder / "vendor", all_targets(), **values)


@pytest.mark.parametrize(
    ("there", "task", "missing"),
    [
        ((), "train", "annotations and no val2017 and no train2017"),
        (("annotations", "val2017"), "train", "no train2017"),
        (("annotations", "train2017"), "eval", "no val2017"),
    ],
)
def test_a_folder_that_is_no_coco_folder(
    tmp_path: Path, there: tuple[str, ...], task: Any, missing: str
) -> None:
    for name in there:
        (tmp_path / "coco" / name).mkdir(parents=True)
    asked = TrainRequest(
        task, "centernet", tmp_path, all_targets(), tmp_path / "coco", tmp_path / "work"
    )
    with pytest.raises(UsageError, match=f"--data-dir .*{missing} in it"):
        run_training(asked, Cache(tmp_path / "cache"), Silent())


def test_records_of_an_earlier_training_are_forgotten(tmp_path: Path) -> None:
    for name in ("rank-1.jsonl", "rank-2.jsonl", "epoch_1.pth"):
        (tmp_path / name).write_text("earlier", encoding="utf-8")
    launch = Launch(Path("python"), {"out": str(tmp_path)}, Ranks(1, 3, 1, "node0"))
    train._forget_records(launch)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"rank-2.jsonl", "epoch_1.pth"}, "another machine's rank is its own matter"


def test_a_work_folder_that_cannot_be_one(tmp_path: Path) -> None:
    (tmp_path / "work").write_text("a file", encoding="utf-8")
    launch = Launch(Path("python"), {"out": str(tmp_path / "work")})
    with pytest.raises(WriteError, match=r"--work-dir .*work"):
        train._forget_records(launch)


def test_machines_that_share_a_folder_write_files_of_their_own(tmp_path: Path) -> None:
    names = [
        (launch.log.name, launch.job_file.name)
        for rank in range(2)
        for launch in [Launch(Path("python"), {"out": str(tmp_path)}, Ranks(1, 2, rank, "host"))]
    ]
    assert names == [("output-0.log", "job-0.json"), ("output-1.log", "job-1.json")]
    alone = Launch(Path("python"), {"out": str(tmp_path)})
    assert (alone.log.name, alone.job_file.name) == ("output.log", "job.json")


def test_every_option_is_in_the_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Launch] = []

    def fake(launch: Launch, follow: Any) -> int:
        started.append(launch)
        return 0

    monkeypatch.setattr("porter.verify.follow.train", fake)
    for name, value in stand_ins(tmp_path).items():
        monkeypatch.setattr(train, name, value)
    for name in ("annotations", "train2017", "val2017"):
        (tmp_path / "coco" / name).mkdir(parents=True)
    asked = request(
        tmp_path,
        device="sim",
        ranks=Ranks(4, 2, 1, "node0", 1234),
        epochs=3,
        batch_size=5,
        lr=0.25,
        amp=True,
        seed=7,
        checkpoint=tmp_path / "a.pth",
        resume=tmp_path / "b.pth",
        workers=6,
        options=("a.b=1",),
    )
    run_training(asked, Cache(tmp_path / "cache"), Silent())
    job = started[0].job
    said = {key: job[key] for key in ("epochs", "batch_size", "lr", "amp", "seed", "workers")}
    assert said == {"epochs": 3, "batch_size": 5, "lr": 0.25, "amp": True, "seed": 7, "workers": 6}
    assert job["checkpoint"] == str(tmp_path / "a.pth")
    assert job["resume_from"] == str(tmp_path / "b.pth")
    assert job["cfg_options"] == ["a.b=1"]
    assert job["data"] == str(tmp_path / "coco")
    assert job["out"] == str(tmp_path / "work")
    command = started[0].command()
    for word in ("--nproc_per_node=4", "--nnodes=2", "--node_rank=1", "--master_addr=node0", "--master_port=1234"):  # fmt: skip
        assert word in command
    assert json.dumps(job), "it is written as JSON"


def stand_ins(folder: Path) -> dict[str, Any]:
    """In place of what would look for trees, a Python and operators."""
    from types import SimpleNamespace

    from porter.verify.models.recipes import Recipe
    from porter.verify.trees import Trees

    trees = Trees(dict.fromkeys(("mmengine", "mmcv", "mmdet"), folder), {})
    vendor = SimpleNamespace(trees=lambda: trees, manifest=SimpleNamespace(target="sdaa"))
    chip = SimpleNamespace(available=False, problem="none", count=0)
    python = SimpleNamespace(executable=Path("python"), chip=chip, cuda=False)
    return {
        "open_folder": lambda into: vendor,
        "probe": lambda *arguments, **options: python,
        "find_recipe": lambda *arguments: Recipe("centernet", {}, "centernet/centernet.py"),
        "pin_set_of": lambda folder: "default",
        "build_ops": lambda *arguments: folder,
        "prepare_chip": lambda *arguments: None,
    }
