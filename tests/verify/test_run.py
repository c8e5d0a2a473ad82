"""A verification from request to verdict, with a stand-in for the process that trains."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from porter.errors import CouldNotRun, UsageError
from porter.model import Target
from porter.source import Cache
from porter.verify import reference, run
from porter.verify.launch import process
from porter.verify.launch.interpreter import Module
from porter.verify.launch.process import Ranks
from porter.verify.model import Settings, Verification
from porter.verify.reference import Reference
from porter.verify.request import Request
from porter.verify.run import verify
from porter.verify.trees import PACKAGES, Trees
from porter.verify.watch import Silent
from tests.helpers import all_targets
from tests.verify.test_place import NO_CHIP

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]

#: Writes the records that ``fakes`` makes for its job; what a test wants otherwise is in a file.
STAND_IN = """
import json, os, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from dataclasses import replace
from porter.verify.model import Failure
from tests.verify import fakes
job = json.load(open(sys.argv[1]))
out = Path(job["out"])
orders = json.loads(Path({orders!r}).read_text())
order = orders.get(job["side"], {{}})
print("trained", job["side"], flush=True)
made = fakes.rank(0, job["steps"], job["device"], amp=job["amp"])
if job["save_weights"]:
    Path(job["save_weights"]).write_bytes(b"weights")
if job["side"] == "ported":
    assert Path(job["weights"]).read_bytes() == b"weights"
if "factor" in order:
    made = replace(made, steps=tuple(fakes.scaled(s, order["factor"]) for s in made.steps))
if job["stop"]:
    made = replace(made, steps=made.steps[: job["stop"]])
if job["resume"]:
    assert Path(job["resume"]).exists()
    made = replace(made, steps=made.steps[job["steps"] // 2 :])
if job["stop"]:
    (out / ("step-%d.pth" % job["stop"])).touch()
failure = Failure("RuntimeError", order["error"]) if "error" in order else None
fakes.write_records(made, out, failure)
sys.exit(1 if failure else 0)
"""


@dataclass
class Bench:
    """A folder with three packages of our own, and porter's cache."""

    root: Path
    jobs: list[dict[str, Any]] = field(default_factory=list)

    @property
    def into(self) -> Path:
        return self.root / "vendor"

    @property
    def cache(self) -> Cache:
        return Cache(self.root / "cache")

    def order(self, side: str, **wishes: object) -> None:
        (self.root / "orders.json").write_text(json.dumps({side: wishes}))

    def verify(self, **changes: Any) -> Verification:
        targets = all_targets()
        request = Request(
            "tiny/tiny.py",
            self.into,
            targets,
            target=targets["sdaa"],
            python=Path(sys.executable),
            steps=10,
        )
        return verify(replace(request, **changes), self.cache, Silent())


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    made = Bench(tmp_path)
    for name in PACKAGES:
        folder = made.into / name / name
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text("__version__ = '99.0'\n")
    configs = made.into / "mmdet/mmdet/.mim/configs"
    for config in ("_base_/base.py", "tiny/tiny.py"):
        (configs / config).parent.mkdir(parents=True, exist_ok=True)
        (configs / config).write_text("model = dict()\n")
    script = tmp_path / "stand_in.py"
    script.write_text(STAND_IN.format(root=str(ROOT), orders=str(tmp_path / "orders.json")))
    made.order("nobody")
    interpreter = replace(
        NO_CHIP, executable=Path(sys.executable), modules={"mmcv": Module("mmcv")}
    )
    monkeypatch.setattr(process, "SCRIPT", script)
    monkeypatch.setattr(process, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(run, "probe", lambda *_, **__: interpreter)
    monkeypatch.setattr(run, "build_ops", lambda *_: tmp_path / "ops")
    monkeypatch.setattr(run, "prepare_chip", lambda *_: None)
    keep_jobs(monkeypatch, made.jobs)
    return made


def keep_jobs(monkeypatch: pytest.MonkeyPatch, jobs: list[dict[str, Any]]) -> None:
    train = process.train

    def kept(launch: process.Launch, follow: Callable[[], None]) -> int:
        jobs.append(dict(launch.job))
        return train(launch, follow)

    monkeypatch.setattr("porter.verify.follow.train", kept)


def sides(bench: Bench) -> list[str]:
    return [job["side"] for job in bench.jobs]


def test_both_sides_train_and_agree(bench: Bench) -> None:
    found = bench.verify()
    assert found.verdict.outcome == "pass"
    assert sides(bench) == ["upstream", "upstream", "ported"]
    assert (found.device, found.ported.place) == ("sdaa", "sim")
    assert found.ported.ranks[0].steps[-1].number == 10
    assert any("simulated" in note for note in found.notes)
    assert any("no pin of mmcv 99.0" in note for note in found.notes)
    assert not any((bench.cache.root / "work").iterdir())


def test_upstream_trains_once_for_the_same_settings(bench: Bench) -> None:
    bench.verify()
    bench.jobs.clear()
    again = bench.verify(amp=True)
    assert sides(bench) == ["ported"]
    assert [run.cached for run in again.baselines] == [True, True]
    bench.jobs.clear()
    bench.verify(seed=1)
    assert sides(bench) == ["upstream", "upstream", "ported"]


SETTINGS = Settings("tiny", "tiny/tiny.py")


@pytest.mark.parametrize(
    "change",
    [
        {"steps": 9},
        {"batch_size": 1},
        {"image_size": 64},
        {"lr": 0.1},
        {"seed": 1},
        {"nproc": 2},
        {"nnodes": 2},
        {"eval": True},
        {"threads": 2},
        {"options": {"a.b": 1}},
        {"config": "tiny/other.py"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_each_setting_has_a_baseline_of_its_own(change: dict[str, Any], tmp_path: Path) -> None:
    def place(settings: Settings) -> Path:
        trees = Trees({}, {"mmdet": "digest"})
        return Reference.of(settings, trees, Path("ops"), NO_CHIP, Cache(tmp_path)).folder

    assert place(SETTINGS) == place(replace(SETTINGS))
    assert place(replace(SETTINGS, **change)) != place(SETTINGS)


def test_another_upstream_has_another_baseline(bench: Bench) -> None:
    bench.verify()
    bench.jobs.clear()
    (bench.into / "mmcv/mmcv/new.py").write_text("value = 1\n")
    bench.verify()
    assert sides(bench) == ["upstream", "upstream", "ported"]


def test_a_config_from_elsewhere_has_no_kept_baseline(bench: Bench) -> None:
    own = bench.root / "own.py"
    own.write_text("model = dict(type='Own')\n")
    for _ in range(2):
        bench.jobs.clear()
        bench.verify(model=str(own))
        assert sides(bench) == ["upstream", "upstream", "ported"]


def test_a_wrong_loss_fails(bench: Bench) -> None:
    bench.order("ported", factor=0.5)
    found = bench.verify()
    assert found.verdict.outcome == "fail"
    assert {c.name for c in found.verdict.checks if c.outcome == "fail"} >= {
        "first step",
        "mean over steps",
    }


def test_a_port_that_raises_fails(bench: Bench) -> None:
    bench.order("ported", error="implementation for device sdaa:0 not found")
    found = bench.verify()
    assert found.verdict.outcome == "fail"
    assert found.ported.ranks[0].failure is not None
    assert "sdaa:0 not found" in found.ported.ranks[0].failure.message


def test_an_upstream_that_raises_leaves_nothing_to_judge(bench: Bench) -> None:
    bench.order("upstream", error="no such head")
    with pytest.raises(CouldNotRun, match=r"upstream itself does not train.*no such head"):
        bench.verify()
    bench.order("nobody")
    assert bench.verify().verdict.outcome == "pass", "a broken run is not kept"


def test_each_side_is_repeated(bench: Bench) -> None:
    found = bench.verify(repeat=3)
    assert sides(bench) == ["upstream"] * 3 + ["ported"] * 3
    assert (len(found.baselines), len(found.repeats)) == (3, 2)


def test_a_resumed_run_is_joined(bench: Bench) -> None:
    found = bench.verify(resume=True)
    first, second = bench.jobs[-2:]
    assert (first["stop"], first["resume"]) == (5, "")
    assert second["resume"].endswith("step-5.pth")
    assert second["stop"] == 0
    assert [step.number for step in found.ported.ranks[0].steps] == list(range(1, 11))
    assert found.ported.resumed == 5


def test_what_processes_wrote_is_kept_where_asked(bench: Bench) -> None:
    keep = bench.root / "report" / "runs"
    bench.verify(keep=keep)
    assert (keep / "ported-1" / "rank-0.jsonl").is_file()
    assert "trained ported" in (keep / "ported-1" / "output.log").read_text()


def test_one_step_cannot_be_resumed(bench: Bench) -> None:
    with pytest.raises(UsageError, match="--resume"):
        bench.verify(resume=True, steps=1)


def test_only_the_newest_baselines_are_kept(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "KEPT_RUNS", 2)
    for seed in range(4):
        bench.verify(seed=seed)
    assert len(list((bench.cache.root / "runs").iterdir())) == 2


def test_the_threads_of_a_rank_are_what_was_asked(bench: Bench) -> None:
    bench.verify(threads=3, ranks=Ranks())
    assert {job["threads"] for job in bench.jobs} == {3}


def test_without_a_folder_the_models_own_releases_are_ported(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def ported_for(model: str, target: Target, cache: Cache, **options: Any) -> Path:
        asked.extend([model, target.name])
        return bench.into

    monkeypatch.setattr(run, "ported_for", ported_for)
    found = bench.verify(into=bench.root / "nowhere", make=True)
    assert asked == ["tiny/tiny.py", "sdaa"]
    assert any(note.startswith("No folder was named: ") for note in found.notes)
    bench.verify(make=True)
    assert len(asked) == 2, "a folder that is there is taken"
    with pytest.raises(CouldNotRun, match="there is no such folder"):
        bench.verify(into=bench.root / "nowhere")


def test_upstream_is_counted_for_a_chip_that_compiles_each_shape(bench: Bench) -> None:
    npu = all_targets()["npu"]
    assert bench.verify(target=npu, steps=12).counted
    assert [job["steps"] for job in bench.jobs if job.get("count")] == [10]
    assert sides(bench) == ["upstream", "upstream", "upstream", "ported"]
    assert bench.verify().counted is None, "on a chip that does not, nothing is"
