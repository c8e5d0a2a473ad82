"""The ports on mmcv 1.2.7 and mmdet 2.10 and 2.11: what holds of every port holds of these."""

from __future__ import annotations

from pathlib import Path

import pytest

from porter.invariants import ChangedFile, violations
from porter.model import Edit, Target
from porter.plan import make_plan, search, tasks_for
from porter.plan.selection import select_rules
from tests.helpers import MemoryTree, all_rules, all_targets
from tests.ports.test_real_pins import ported, tree

pytestmark = pytest.mark.upstream

PLUGINS = [target for target in all_targets().values() if target.family == "plugin"]
PORTS = [
    *(pytest.param(target, "2.10.0", id=f"{target.name}, mmdet 2.10.0") for target in PLUGINS),
    pytest.param(all_targets()["npu"], "2.11.0", id="npu, mmdet 2.11.0"),
    pytest.param(all_targets()["sdaa"], "2.11.0", id="sdaa, mmdet 2.11.0"),
]


@pytest.mark.parametrize(("target", "mmdet"), PORTS)
def test_a_legacy_port_keeps_upstreams_promises_and_is_made_once(
    target: Target, mmdet: str, upstream_cache: Path
) -> None:
    versions = {"mmcv": "1.2.7", "mmdet": mmdet}
    trees = {name: tree(name, version, upstream_cache) for name, version in versions.items()}
    rules = all_rules()
    plan = make_plan(rules, target, trees)
    assert {"mmcv/legacy-data-parallel", "mmdet/legacy-train-api"} <= set(plan.rule_digests)
    after = ported(plan, trees)
    edits: dict[tuple[str, str], list[Edit]] = {}
    for edit in plan.edits:
        edits.setdefault((edit.package, edit.path), []).append(edit)
    changed = [
        ChangedFile(name, path, trees[name].read(path), after[name].read(path), tuple(made))
        for (name, path), made in edits.items()
    ]
    assert violations(changed, rules, target.device) == []
    layer = [rule for rule in rules if "/static-" not in rule.id]  # those have tests of their own
    selected, _ = select_rules(layer, target, versions)
    again = search(list(tasks_for(selected, target, after)), after)
    assert again.failures == []
    assert {i: edits for i, edits in again.edits.items() if edits} == {}


#: What a checkout has and no archive: cut down to the lines that matter.
CHECKOUT = {
    "tools/test.py": """import torch
from mmcv.parallel import MMDataParallel, MMDistributedDataParallel
from mmcv.runner import (get_dist_info, init_dist, load_checkpoint,
                         wrap_fp16_model)


def parse_args():
    parser.add_argument('--local_rank', type=int, default=0)


def main():
    if not distributed:
        model = MMDataParallel(model, device_ids=[0])
    else:
        model = MMDistributedDataParallel(
            model.cuda(),
            device_ids=[torch.cuda.current_device()],
            broadcast_buffers=False)
""",
    "tools/analysis_tools/benchmark.py": """import torch

from mmdet.models import build_detector


def main():
    torch.cuda.synchronize()
    torch.cuda.synchronize()
""",
    "tools/dist_train.sh": "python -m torch.distributed.launch --master_port=$PORT train.py\n",
    "configs/_base_/default_runtime.py": "dist_params = dict(backend='nccl')\nlog_level = 'INFO'\n",
}
FOR_CHECKOUTS = {"legacy-test-scripts", "legacy-analysis-tools", "legacy-config-backend"}


@pytest.mark.parametrize("name", ["npu", "bi_v150"])
def test_the_scripts_of_a_checkout_are_ported_too(name: str, upstream_cache: Path) -> None:
    trees = {p: tree(p, v, upstream_cache) for p, v in (("mmcv", "1.2.7"), ("mmdet", "2.10.0"))}
    archive = trees["mmdet"]
    files = {path: archive.read(path) for path in archive.paths()}
    trees["mmdet"] = MemoryTree("mmdet", "2.10.0", {**files, **CHECKOUT})
    after = ported(make_plan(all_rules(), all_targets()[name], trees), trees)["mmdet"]
    texts = {path: after.read(path).decode() for path in CHECKOUT}
    cuda = [path for path, text in texts.items() if "torch.cuda" in text or "nccl" in text]
    if name == "npu":
        assert cuda == []
        assert texts["tools/dist_train.sh"] == CHECKOUT["tools/dist_train.sh"]
        assert "backend='hccl'" in texts["configs/_base_/default_runtime.py"]
        assert "'--local-rank'" in texts["tools/test.py"]
    else:
        assert len(cuda) == 3, "it answers as CUDA"
        assert "python3 -m torch" in texts["tools/dist_train.sh"]


def test_an_archive_has_no_scripts_and_the_rules_for_them_say_so(upstream_cache: Path) -> None:
    trees = {p: tree(p, v, upstream_cache) for p, v in (("mmcv", "1.2.7"), ("mmdet", "2.10.0"))}
    plan = make_plan(all_rules(), all_targets()["npu"], trees)
    skipped = {skip.rule: skip.reason for skip in plan.skips}
    for rule in FOR_CHECKOUTS:
        assert (
            "there is no tools" in skipped[f"mmdet/{rule}"] or "configs" in skipped[f"mmdet/{rule}"]
        )
