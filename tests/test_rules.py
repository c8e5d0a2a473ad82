"""Porter's own rules: every case, and what each rule file owes its reader."""

from __future__ import annotations

from dataclasses import fields
from difflib import unified_diff

import pytest

from porter.model import PROJECT, Case, Rule
from porter.rulebook.catalog import check_needs, check_traits
from porter.rulebook.operations import AddFile
from porter.ruletest import run_case
from tests.helpers import all_rules, all_targets

RULES = all_rules()
CASES = [
    pytest.param(rule, case, id=f"{rule.id}: {case.name}") for rule in RULES for case in rule.cases
]


@pytest.mark.parametrize(("rule", "case"), CASES)
def test_case(rule: Rule, case: Case) -> None:
    result = run_case(rule, case, all_targets())
    lines = (result.wanted.splitlines(), result.got.splitlines())
    assert result.ok, result.message + "\n" + "\n".join(unified_diff(*lines, "wanted", "got"))


def test_rules_wait_for_traits_and_need_rules_that_exist() -> None:
    check_traits(RULES, all_targets().values())
    check_needs(RULES)


#: What one rule brings into a tree and others use -> the rule.
BROUGHT = {
    "is_${device}_available": "mmengine/device-available",
    "get_max_${device}_memory": "mmengine/device-max-memory",
    "host_fallback": "mmcv/host-fallback",
    "mmdet.utils.device": "mmdet/accelerator",
    "from .device import": "mmdet/accelerator",
    "mmcv.utils.device": "mmcv/legacy-accelerator",
    "mmcv.runner.mixed_precision": "mmcv/legacy-mixed-precision",
    "mixed_precision import": "mmcv/legacy-mixed-precision",
    "host_kernels": "mmcv/legacy-host-kernels",
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_needs_the_rules_whose_names_its_code_uses(rule: Rule) -> None:
    text = code(rule)
    own = {bringer for name, bringer in BROUGHT.items() if f"def {name}" in text}
    used = {bringer for name, bringer in BROUGHT.items() if name in text}
    assert used - own - {rule.id} <= set(rule.needs)


def code(rule: Rule) -> str:
    """All that a rule puts into a tree."""
    return "\n".join(
        str(getattr(operation, field.name))
        for operation in rule.operations
        for field in fields(operation)
        if field.metadata.get("role") in ("code", "text", "names") or field.name == "module"
    )


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_says_where_it_holds_and_what_it_leaves_alone(rule: Rule) -> None:
    generic = rule.packages == (PROJECT,)
    assert rule.requires or generic, "a rule names the versions it is written for"
    if not all(isinstance(operation, AddFile) for operation in rule.operations):
        assert any(case.after is None for case in rule.cases), "no case of what must stay"


def test_every_trait_in_the_vocabulary_is_used_or_kept_for_a_reason() -> None:
    from porter.rulebook.catalog import trait_vocabulary

    used = {trait for target in all_targets().values() for trait in target.traits}
    assert set(trait_vocabulary()) <= used | {"python-command-missing"}
