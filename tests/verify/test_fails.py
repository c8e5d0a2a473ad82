"""``porter verify`` fails when it should, and says by which check: real trees, really trained."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from porter.cli import main
from porter.errors import CouldNotRun
from porter.verify.model import Verification
from tests.helpers import target_from
from tests.verify.world import IMAGE, STEPS, World, failed, replaced

pytestmark = [pytest.mark.torch, pytest.mark.upstream, pytest.mark.slow]

SDAA_FILE = Path(__file__).parents[2] / "targets/sdaa.toml"


def cli(world: World, into: Path, report: Path, *more: str) -> int:
    """``porter verify reppoints`` in this process; its exit code."""
    usual = ["--into", into, "--python", world.python, "--steps", STEPS, "--image-size", IMAGE]
    return main(["verify", "reppoints", *map(str, usual), "--report", str(report), *more])


def details(verification: Verification) -> dict[str, str]:
    """The checks that failed, and why."""
    assert verification.verdict.outcome == "fail"
    return {name: check.detail for name, check in failed(verification).items()}


def test_a_port_passes(world: World, tmp_path: Path) -> None:
    assert cli(world, world.ported(), tmp_path) == 0
    assert "bit-identical" in (tmp_path / "report.json").read_text(encoding="utf-8")


def test_an_unported_tree_trains_on_the_host_without_a_word(world: World, tmp_path: Path) -> None:
    assert cli(world, world.unported(), tmp_path, "--target", "sdaa") == 20
    checks = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["checks"]
    found = {check["name"] for check in checks if check["outcome"] == "fail"}
    assert found == {"parameters on the device", "operators ran there", "memory in the log"}


def test_upstream_that_does_not_train_is_nothing_to_compare_with(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli(world, world.ported(), tmp_path, "--", "model.backbone.depth=19") == 22
    assert "upstream itself does not train by these settings: KeyError" in capsys.readouterr().err
    with pytest.raises(CouldNotRun, match="invalid depth 19"):
        world.verify(world.ported(), options={"model.backbone.depth": 19})


def test_two_runs_of_upstream_that_differ_leave_it_open(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = world.verify(world.ported())
    assert known.verdict.outcome == "pass"
    cache = tmp_path / "cache"
    shutil.copytree(world.cache.root / "runs", cache / "runs")
    for shared in ("archives", "data", "ops", "sim", "trees"):
        (cache / shared).symlink_to(world.cache.root / shared)
    for record in cache.glob("runs/*/run-2/rank-0.jsonl"):
        text = record.read_text(encoding="utf-8")
        record.write_text(text.replace('"loss_cls": ', '"loss_cls": 1'), encoding="utf-8")
    monkeypatch.setenv("PORTER_CACHE", str(cache))
    assert cli(world, world.ported(), tmp_path / "report") == 21
    report = json.loads((tmp_path / "report/report.json").read_text(encoding="utf-8"))
    open_checks = [c["name"] for c in report["checks"] if c["outcome"] == "inconclusive"]
    assert open_checks == ["upstream agrees with itself"]


def test_amp_that_is_silently_off(world: World) -> None:
    """As a port by hand has it that lets AMP in and leaves the rest to CUDA."""
    into = world.copy(
        "amp-of-cuda",
        {
            "mmengine/mmengine/runner/amp.py": replaced("device = get_device()", "device = 'cuda'"),
            "mmengine/mmengine/optim/optimizer/amp_optimizer_wrapper.py": replaced(
                "from torch_sdaa.amp import GradScaler", "from torch.cuda.amp import GradScaler"
            ),
        },
    )
    assert details(world.verify(into, amp=True)) == {
        "AMP on": "The gradient scaler is disabled: it does not know the device."
    }
    assert world.verify(into).verdict.outcome == "pass", "who does not ask for AMP loses nothing"


HALVING = """
id       = "mmdet/halving"
why      = "A rule that is wrong, as one of a user may be."
source   = "a test"
when     = { trait = "own-device" }
requires = { mmdet = ">=3.1.0,<=3.3.0" }
files    = ["mmdet/models/losses/focal_loss.py"]

[[edit]]
kind    = "rewrite"
within  = "FocalLoss.forward"
match   = "loss_cls = self.loss_weight * calculate_loss_func($$$ARGS)"
replace = "loss_cls = 0.5 * self.loss_weight * calculate_loss_func($$$ARGS)"

[[case]]
name   = "half"
target = "sdaa"
before = '''
class FocalLoss:
    def forward(self, pred):
        loss_cls = self.loss_weight * calculate_loss_func(pred)
'''
after  = '''
class FocalLoss:
    def forward(self, pred):
        loss_cls = 0.5 * self.loss_weight * calculate_loss_func(pred)
'''
"""


def test_a_rule_that_halves_a_loss(world: World, tmp_path: Path) -> None:
    found = details(world.verify(world.with_rule("halving", HALVING, tmp_path)))
    assert found["first step"].startswith("loss_cls: ")
    assert {"mean over steps", "bias of the last steps", "gradient per parameter"} <= set(found)


NORMAL = "return loss_cls"
FOCAL = "mmdet/mmdet/models/losses/focal_loss.py"
LOOPS = "mmengine/mmengine/runner/loops.py"
SAMPLER = "mmengine/mmengine/dataset/sampler.py"
WRAPPER = "mmengine/mmengine/model/wrappers/distributed.py"


def test_a_loss_that_is_not_a_number(world: World) -> None:
    into = world.copy("nan", {FOCAL: replaced(NORMAL, "return loss_cls * float('nan')")})
    assert details(world.verify(into))["NaN or infinite"].startswith("step 1: loss")


def test_a_training_that_ends_early(world: World) -> None:
    early = replaced("while self._iter < self._max_iters and", "while self._iter < 1 and")
    into = world.copy("early", {LOOPS: early})
    assert details(world.verify(into))["all steps"] == "missing: 2."


def test_other_data(world: World) -> None:
    other = replaced("g.manual_seed(self.seed)", "g.manual_seed(self.seed + 1)")
    found = details(world.verify(world.copy("order", {SAMPLER: other})))
    assert found["same data order"] == "other images or boxes in step 1, 2."


def test_a_process_that_is_killed(world: World) -> None:
    """By itself, so that it happens between the same two steps each time."""
    kill = "import os, signal\n            if self._iter:\n                os.kill(os.getpid(), signal.SIGKILL)\n            "
    line = "data_batch = next(self.dataloader_iterator)"
    into = world.copy("killed", {LOOPS: replaced(line, kill + line)})
    assert details(world.verify(into)) == {
        "came to its end": "after step 1: killed: the process ended by signal 9",
        "all steps": "missing: 2.",
    }


def test_an_operator_that_the_chip_lacks(world: World, tmp_path: Path) -> None:
    text = SDAA_FILE.read_text(encoding="utf-8")
    lacking = text.replace("no_kernel = [", 'no_kernel = [\n  "aten::threshold_backward",')
    assert lacking != text
    target = target_from(lacking, tmp_path, "sdaa")
    problem = details(world.verify(world.ported(), target=target))["came to its end"]
    assert "NotImplementedError" in problem
    assert "aten::threshold_backward" in problem


def test_ranks_that_do_not_average_their_gradients(world: World) -> None:
    apart = replaced(
        "losses = self._run_forward(data, mode='loss')",
        "self.require_backward_grad_sync = False\n"
        "            losses = self._run_forward(data, mode='loss')",
    )
    found = details(world.verify(world.copy("apart", {WRAPPER: apart}), nproc=2))
    assert found["ranks end alike"] == "The ranks' weights differ: gradients are not averaged."
