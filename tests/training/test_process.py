"""The process around a training: its job, its record, and where its packages come from."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import porter.training
from porter.training import environment
from porter.training.book import Book
from porter.training.errors import CannotTrain
from porter.training.job import read_job

SCRIPT = Path(porter.training.__file__).with_name("__main__.py")
JOB = {"format": 1, "task": "smoke", "trees": {}, "config": "c.py", "out": "", "data": ""}


def written(folder: Path, **changed: Any) -> Path:
    path = folder / "JOB.json"
    path.write_text(json.dumps({**JOB, "out": str(folder / "out"), **changed}), encoding="utf-8")
    return path


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def start(job: Path, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a job as porter does, in a Python that sees no installed package."""
    return subprocess.run(
        [sys.executable, *options, str(SCRIPT), str(job)],
        env={**os.environ, "PYTHONPATH": "", **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_job_is_read_with_its_defaults(tmp_path: Path) -> None:
    job = read_job(written(tmp_path, steps=7))
    assert (job.steps, job.batch_size, job.sim, job.threads) == (7, 2, None, 1)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"format": 2}, "format 2"),
        ({"epocs": 3}, "unknown keys: epocs"),
        ({"task": "tran"}, "'tran'"),
    ],
)
def test_a_job_that_is_not_understood(tmp_path: Path, changed: dict[str, Any], words: str) -> None:
    with pytest.raises(CannotTrain, match=words):
        read_job(written(tmp_path, **changed))


def test_no_file_and_no_json(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path / "bad.json"):
        if path.name == "bad.json":
            path.write_text("{", encoding="utf-8")
        with pytest.raises(CannotTrain, match=path.name):
            read_job(path)


def test_a_line_is_on_the_disk_at_once_and_may_hold_nan(tmp_path: Path) -> None:
    book = Book(tmp_path, 2)
    book.write("step", {"number": 1, "losses": {"loss": float("nan")}})
    text = (tmp_path / "rank-2.jsonl").read_text(encoding="utf-8")
    book.close()
    assert text == '{"kind": "step", "number": 1, "losses": {"loss": NaN}}\n'


def test_a_failure_is_recorded_with_its_innermost_frames(tmp_path: Path) -> None:
    book = Book(tmp_path, 0)
    try:
        read_job(tmp_path / "none.json")
    except CannotTrain as problem:
        book.fail(problem)
    book.close()
    (failure,) = lines(book.path)
    assert (failure["kind"], failure["error"]) == ("failure", "CannotTrain")
    assert "none.json" in failure["message"]
    assert "porter/training/job.py:" in failure["trace"]
    assert str(tmp_path.parent) not in failure["trace"]


def test_without_torch_or_mm_the_record_says_what_is_missing(tmp_path: Path) -> None:
    # -S: no site-packages, so neither porter nor torch is installed for it.
    done = start(written(tmp_path), "-S")
    assert done.returncode == 1, done.stderr
    (failure,) = lines(tmp_path / "out/rank-0.jsonl")
    assert failure["error"] == "ModuleNotFoundError"
    assert "torch" in failure["message"]
    assert "ModuleNotFoundError" in done.stderr


def test_a_rank_writes_its_own_record(tmp_path: Path) -> None:
    start(written(tmp_path), "-S", RANK="3", WORLD_SIZE="4")
    assert (tmp_path / "out/rank-3.jsonl").is_file()


def test_a_package_from_elsewhere_than_its_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for root in ("given", "other"):
        (tmp_path / root / "mmpack").mkdir(parents=True)
        (tmp_path / root / "mmpack/__init__.py").touch()
    monkeypatch.setattr(sys, "path", list(sys.path))
    environment.use_trees({"mmpack": str(tmp_path / "given")}, "")
    with pytest.raises(CannotTrain, match=r"mmpack was imported from .*given.*, not from .*other"):
        environment.use_trees({"mmpack": str(tmp_path / "other")}, "")
    monkeypatch.delitem(sys.modules, "mmpack")


def test_the_operators_are_found_as_a_part_of_mmcv(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tree/mmcv").mkdir(parents=True)
    (tmp_path / "tree/mmcv/__init__.py").touch()
    (tmp_path / "ops").mkdir()
    (tmp_path / "ops/_ext.py").write_text("WHERE = 'ops'\n", encoding="utf-8")
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from porter.training.environment import use_trees\n"
            f"use_trees({{'mmcv': {str(tmp_path / 'tree')!r}}}, {str(tmp_path / 'ops')!r})\n"
            "import mmcv._ext; print(mmcv._ext.WHERE)",
        ],
        env={**os.environ, "PYTHONPATH": str(SCRIPT.parents[2])},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "ops\n", done.stderr


def test_it_ends_when_porter_ends(tmp_path: Path) -> None:
    code = (
        "import sys, time; from porter.training.watchdog import end_with_parent\n"
        "end_with_parent(); print('up', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(SCRIPT.parents[2])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    assert process.poll() is None
    process.stdin.close()
    assert process.wait(timeout=20) == -9
    process.stdout.close()
