"""The compatibility pack: mmcv 1.2.7 and mmdet 2.10 and 2.11 on today's Python, torch and NumPy.

Questions are asked by ``compat_probe.py`` in this Python, on the trees that
``porter apply --target cpu --set legacy`` makes.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from porter.apply import Request, apply
from porter.invariants import ChangedFile, violations
from porter.model import Condition, Plan, Rule, Target
from porter.plan import Tree, make_plan, search, tasks_for
from porter.plan.selection import select_rules
from porter.source import Cache
from porter.verify.launch.interpreter import probe
from porter.verify.ops import build_ops
from porter.verify.watch import Silent
from tests.helpers import MemoryTree, all_rules, all_targets
from tests.ports.test_real_pins import ported, tree

pytestmark = pytest.mark.upstream

HERE = Path(__file__).parent
RULES = all_rules()
PACK = [rule for rule in RULES if rule.id.partition("/")[2].startswith("compat-")]
PLUGINS = [target for target in all_targets().values() if target.family == "plugin"]
#: Whose release made a rule necessary, or whose own mistake.
RELEASE = r"(torch|torchvision|NumPy|Python|yapf|setuptools|pycocotools) \(?\d|mmcv's own"


def legacy_trees(mmdet: str, cache: Path) -> dict[str, Tree]:
    versions = {"mmcv": "1.2.7", "mmdet": mmdet}
    return {name: tree(name, version, cache) for name, version in versions.items()}


@pytest.mark.parametrize("rule", PACK, ids=lambda rule: rule.id)
def test_a_rule_of_the_pack_is_every_targets_and_names_the_release_behind_it(rule: Rule) -> None:
    assert rule.when == Condition()
    assert re.search(RELEASE, rule.why), rule.why


def test_the_whole_pack_is_made_of_a_checkout_and_all_but_scripts_of_a_release(
    upstream_cache: Path,
) -> None:
    trees = legacy_trees("2.10.0", upstream_cache)
    made = set(make_plan(RULES, all_targets()["cpu"], trees).rule_digests)
    scripts = {rule.id for rule in PACK if "tools/" in " ".join(rule.files)}
    assert {rule.id for rule in PACK} - scripts | {"mmdet/train-on-the-host"} <= made
    assert all(
        not rule.when.traits for rule in RULES if rule.id in made and rule.id.startswith("mmcv/")
    )


@pytest.mark.parametrize("mmdet", ["2.10.0", "2.11.0"])
def test_the_pack_alone_keeps_upstreams_promises_and_is_made_once(
    mmdet: str, upstream_cache: Path
) -> None:
    target, trees = all_targets()["cpu"], legacy_trees(mmdet, upstream_cache)
    plan = make_plan(RULES, target, trees)
    after = ported(plan, trees)
    assert violations(changed_files(plan, trees, after), RULES) == []
    selected, _ = select_rules(RULES, target, {name: t.version for name, t in trees.items()})
    again = search(list(tasks_for(selected, target, after)), after)
    assert again.failures == []
    assert {i: edits for i, edits in again.edits.items() if edits} == {}


def changed_files(
    plan: Plan, before: Mapping[str, Tree], after: Mapping[str, Tree]
) -> Iterator[ChangedFile]:
    for package, path in sorted({(edit.package, edit.path) for edit in plan.edits}):
        edits = tuple(e for e in plan.edits if (e.package, e.path) == (package, path))
        yield ChangedFile(
            package, path, before[package].read(path), after[package].read(path), edits
        )


@pytest.mark.parametrize("target", PLUGINS, ids=lambda target: target.name)
def test_the_pack_goes_with_every_chips_own_rules(target: Target, upstream_cache: Path) -> None:
    plan = make_plan(RULES, target, legacy_trees("2.11.0", upstream_cache))
    assert {"mmcv/compat-ddp", "mmdet/compat-pycocotools"} <= set(plan.rule_digests)
    assert "mmdet/train-on-the-host" not in plan.rule_digests


SCRIPTS = {
    "mmdet/version.py": "__version__ = '2.10.0'\n",
    "tools/train.py": "parser.add_argument('--local_rank', type=int, default=0)\n",
    "tools/deployment/pytorch2onnx.py": "import torch\n\ntorch.onnx.export(1, 2)\n",
}


def test_the_scripts_of_a_checkout_are_done_too() -> None:
    names = ["mmdet/compat-local-rank", "mmdet/compat-onnx-exporter"]
    trees: dict[str, Tree] = {"mmdet": MemoryTree("mmdet", "2.10.0", SCRIPTS)}
    plan = make_plan(RULES, all_targets()["cpu"], trees, only=names)
    after = ported(plan, trees)["mmdet"]
    assert b"'--local_rank', '--local-rank', type" in after.read("tools/train.py")
    assert b"{'dynamo': False} if" in after.read("tools/deployment/pytorch2onnx.py")


# What the trees do

Ask = Callable[..., Mapping[str, Any]]


@pytest.fixture(scope="module", params=["2.10.0", "2.11.0"])
def ask(
    request: pytest.FixtureRequest, upstream_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Ask:
    """Asks the probe questions, on a fresh port of mmcv 1.2.7 and one mmdet."""
    into, cache = tmp_path_factory.mktemp("compat") / "vendor", Cache(upstream_cache)
    pins = {"mmcv": "1.2.7", "mmdet": request.param}
    apply(
        Request(all_targets()["cpu"], tuple(RULES), into, pins=pins, packages=("mmcv", "mmdet")),
        cache,
    )
    ops = build_ops(into / "mmcv", probe(Path(sys.executable)), cache, Silent())

    def asked(*questions: str) -> Mapping[str, Any]:
        folder = tmp_path_factory.mktemp("work")
        variables = {
            **os.environ,
            "CUDA_VISIBLE_DEVICES": "",
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join([str(into / "mmcv"), str(into / "mmdet")]),
        }
        command = [sys.executable, str(HERE / "compat_probe.py"), str(ops), str(folder)]
        done = subprocess.run(
            [*command, *questions], env=variables, cwd=folder, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        answers: Mapping[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return answers

    return asked


@pytest.mark.torch
@pytest.mark.slow
def test_what_runs_today(ask: Ask) -> None:
    models = ("fsaf", "gfl", "retinanet", "faster_rcnn", "mask_rcnn")
    trained = [f"train_{model}" for model in models]
    found = ask(
        "imports", "layers", "metrics", "checkpoints", "pretrained_weights", "exported",
        "unused_parameters_decay", "an_optimizers_own_zero_grad", "evaluated", "inference",
        "resumed", *trained,
    )  # fmt: skip
    assert set(found["imports"]) <= {"mmcv.onnx.simplify", "mmcv.tensorrt"}, found["imports"]
    assert all("No module named" in missed for missed in found["imports"].values())
    assert found["layers"] == ["SyncBatchNorm", [1, 2, 8, 8], [1, 256, 8, 8], [[0, 1]], True]
    assert found["metrics"] == [1.0, 4]
    assert found["checkpoints"] == [0.25, 0.25]
    check_pretrained(found["pretrained_weights"])
    assert found["exported"]
    assert found["unused_parameters_decay"] == [0.95, 0.9025]
    assert found["an_optimizers_own_zero_grad"]
    assert {"bbox_mAP", "segm_mAP", "AR@100"} <= set(found["evaluated"])
    assert found["inference"] == [2, 5, [64, 72, 3]]
    assert found["resumed"]["epochs"] == [2]
    assert found["resumed"]["score"] == 0.5
    assert found["resumed"]["apart"] < 1e-6
    for name in trained:
        assert len(found[name]) == 3
        assert all(0 < loss < 100 for loss in found[name]), found


def check_pretrained(answers: list[str]) -> None:
    without, new, old, unknown = answers
    assert without.startswith("ImportError: torchvision://resnet50: torchvision cannot be imported")
    assert "local file" in without
    assert [new, old] == ["first", "old"]
    assert "knows no weights of that name" in unknown


@pytest.mark.torch
@pytest.mark.slow
def test_two_processes_train_over_gloo_and_collect_results(ask: Ask) -> None:
    (one, counts), (other, nothing) = ask("two_ranks")["two_ranks"]
    assert one == other
    assert counts == [10, 10]
    assert nothing == [None, None]


def test_the_page_names_every_rule_of_the_pack() -> None:
    page = (HERE.parents[1] / "docs/legacy-compat.md").read_text(encoding="utf-8")
    assert set(re.findall(r"`(mm\w+/compat-[\w-]+)`", page)) == {rule.id for rule in PACK}
