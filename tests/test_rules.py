"""Porter's own rules: every case, and what each rule file owes its reader."""

from __future__ import annotations

from difflib import unified_diff

import pytest

from porter.model import Case, Rule
from porter.rulebook.catalog import check_traits
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


def test_rules_wait_for_traits_that_exist() -> None:
    check_traits(RULES, all_targets().values())


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_says_where_it_holds_and_what_it_leaves_alone(rule: Rule) -> None:
    assert rule.requires, "a rule names the versions it is written for"
    if not all(isinstance(operation, AddFile) for operation in rule.operations):
        assert any(case.after is None for case in rule.cases), "no case of what must stay"


def test_every_trait_in_the_vocabulary_is_used_or_kept_for_a_reason() -> None:
    from porter.rulebook.catalog import trait_vocabulary

    used = {trait for target in all_targets().values() for trait in target.traits}
    assert set(trait_vocabulary()) <= used | {"python-command-missing"}
