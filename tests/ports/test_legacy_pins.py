"""The ports on mmcv 1.2.7 and mmdet 2.10 and 2.11: what holds of every port holds of these."""

from __future__ import annotations

from pathlib import Path

import pytest

from porter.invariants import ChangedFile, violations
from porter.model import Target
from porter.plan import make_plan, search, tasks_for
from porter.plan.selection import select_rules
from tests.helpers import all_rules, all_targets
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
    rules = [rule for rule in all_rules() if "/compat-" not in rule.id]
    plan = make_plan(rules, target, trees)
    assert {"mmcv/legacy-data-parallel", "mmdet/legacy-train-api"} <= set(plan.rule_digests)
    after = ported(plan, trees)
    changed = [
        ChangedFile(package, path, trees[package].read(path), after[package].read(path))
        for package, path in sorted({(edit.package, edit.path) for edit in plan.edits})
    ]
    assert violations(changed, ()) == []
    selected, _ = select_rules(rules, target, versions)
    again = search(list(tasks_for(selected, target, after)), after)
    assert again.failures == []
    assert {i: edits for i, edits in again.edits.items() if edits} == {}
