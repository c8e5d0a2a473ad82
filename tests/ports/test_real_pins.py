"""The ports on the real pins: every target, every version that is listed as supported."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from porter.invariants import ChangedFile, violations
from porter.model import Plan, Target
from porter.plan import Tree, make_plan, search, tasks_for
from porter.plan.selection import select_rules
from porter.plan.splice import splice
from porter.rulebook.catalog import get_target, load_rules
from porter.source import fetch
from porter.source.cache import Cache
from porter.source.pins import known_pin
from tests.helpers import FIXTURES, MemoryTree, all_rules, all_targets

pytestmark = pytest.mark.upstream

VERSIONS = [
    {"mmengine": "0.10.5", "mmcv": "2.1.0", "mmdet": "3.3.0"},
    {"mmengine": "0.10.3", "mmcv": "2.0.0", "mmdet": "3.1.0"},
    {"mmengine": "0.10.4", "mmcv": "2.0.1", "mmdet": "3.2.0"},
    {"mmengine": "0.10.6", "mmcv": "2.2.0", "mmdet": "3.3.0"},
    {"mmengine": "0.10.7", "mmcv": "2.1.0", "mmdet": "3.3.0"},
]
MODERN = [
    target
    for target in all_targets().values()
    if target.pins["default"].keys() >= {"mmengine", "mmcv", "mmdet"}
]
PORTS = [
    pytest.param(target, versions, id=f"{target.name} on {' '.join(versions.values())}")
    for target in MODERN
    for versions in VERSIONS
]


@cache
def tree(package: str, version: str, root: Path) -> Tree:
    return fetch([known_pin(package, version)], Cache(root))[0]


def ported(plan: Plan, trees: dict[str, Tree]) -> dict[str, Tree]:
    """The trees with a plan's edits made."""
    new: dict[str, Tree] = {}
    for package, pristine in trees.items():
        files = {path: pristine.read(path) for path in pristine.paths()}
        files |= {file.path: file.content for file in plan.new_files if file.package == package}
        for path in {edit.path for edit in plan.edits if edit.package == package}:
            edits = [e for e in plan.edits if e.package == package and e.path == path]
            files[path] = splice(files[path], edits)
        new[package] = MemoryTree(package, pristine.version, files)
    return new


@pytest.mark.parametrize(("target", "versions"), PORTS)
def test_a_port_holds_keeps_upstreams_promises_and_is_made_once(
    target: Target, versions: dict[str, str], upstream_cache: Path
) -> None:
    rules = all_rules()
    trees = {name: tree(name, version, upstream_cache) for name, version in versions.items()}
    plan = make_plan(rules, target, trees)
    assert plan.edits
    after = ported(plan, trees)
    changed = [
        ChangedFile(package, path, trees[package].read(path), after[package].read(path))
        for package, path in sorted({(edit.package, edit.path) for edit in plan.edits})
    ]
    assert violations(changed, ()) == []  # no rule is given, so none may say that it changes more
    selected, _ = select_rules(rules, target, versions)
    again = search(list(tasks_for(selected, target, after)), after)
    assert again.failures == []
    assert {i: edits for i, edits in again.edits.items() if edits} == {}


@pytest.mark.parametrize("target", MODERN, ids=lambda target: target.name)
def test_rules_that_are_not_made_say_why(target: Target, upstream_cache: Path) -> None:
    trees = {name: tree(name, v, upstream_cache) for name, v in VERSIONS[0].items()}
    plan = make_plan(all_rules(), target, trees)
    made = set(plan.rule_digests)
    said = made | {skip.rule for skip in plan.skips}
    assert said == {rule.id for rule in all_rules() if trees.keys() & set(rule.packages)}
    assert all(skip.reason for skip in plan.skips)


@pytest.mark.parametrize("edit", range(1, 8))
def test_every_edit_of_the_reppoints_readme_has_a_rule(edit: int) -> None:
    said = {
        rule.id: re.findall(r"RepPoints on SDAA, edits? ([^;.]*)", rule.source)
        for rule in all_rules()
    }
    assert [rule for rule, texts in said.items() if re.search(rf"\b{edit}", " ".join(texts))] != []


def test_a_new_chip_is_one_file_and_ones_own_rule_another(upstream_cache: Path) -> None:
    target = get_target("mychip", [FIXTURES / "targets"])
    trees = {name: tree(name, v, upstream_cache) for name, v in target.pins["default"].items()}
    plan = make_plan(load_rules([FIXTURES / "rules"]), target, trees)
    after = ported(plan, trees)
    assert "mmengine/greets-the-chip" in plan.rule_digests
    report = after["mmengine"].read("mmengine/utils/dl_utils/collect_env.py").decode()
    assert "env_info['Ported for'] = 'mychip'" in report
    device = after["mmengine"].read("mmengine/device/utils.py").decode()
    assert "import torch_mychip  # noqa: F401" in device
    assert "backend = 'myccl'" in after["mmengine"].read("mmengine/dist/utils.py").decode()
