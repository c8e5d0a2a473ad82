"""Selecting, finding and checking: plans over small trees of our own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from porter.errors import PlanError, UnsupportedVersion, UsageError
from porter.model import Plan, Rule
from porter.plan import make_plan
from porter.plan.splice import splice
from porter.rulebook.catalog import load_targets
from tests.helpers import MemoryTree, rule_from

TREE = {
    "mmengine/a.py": "import torch\n\n\ndef f(x):\n    return torch.cuda.f(x)\n",
    "mmengine/b.py": "import torch\n\ntorch.cuda.f(1)\n",
    "mmengine/broken.py": "def f(:\n    torch.cuda.broken()\n",
}


def rule(folder: Path, name: str = "one", edit: str = "", **head: str) -> Rule:
    values = {
        "when": '{ trait = "own-device" }',
        "files": '["mmengine/a.py"]',
        "requires": '{ mmengine = ">=0.10,<0.11" }',
        **head,
    }
    edit = edit or 'match = "torch.cuda.f($X)"\nreplace = "torch.$device.f($X)"'
    lines = [f"{key} = {value}" for key, value in values.items() if value]
    text = (
        f'id = "mmengine/{name}"\nwhy = "Because the test of it says so."\nsource = "a test"\n'
        + "\n".join(lines)
        + f'\n[[edit]]\nkind = "rewrite"\n{edit}\n[[case]]\nname = "c"\nbefore = "a"\nafter = "b"\n'
    )
    return rule_from(text, folder, name)


def plan(
    rules: list[Rule], target: str = "sdaa", version: str = "0.10.5", **options: object
) -> Plan:
    tree = MemoryTree("mmengine", version, TREE)
    return make_plan(rules, load_targets()[target], {"mmengine": tree}, **options)  # type: ignore[arg-type]


def test_a_plan_is_the_edits_that_port_the_tree(tmp_path: Path) -> None:
    made = plan([rule(tmp_path)])
    assert splice(TREE["mmengine/a.py"].encode(), made.edits).decode() == TREE[
        "mmengine/a.py"
    ].replace("cuda", "sdaa")
    assert made.rule_digests.keys() == {"mmengine/one"}
    assert made.versions == {"mmengine": "0.10.5"}


def test_the_order_of_rules_and_the_number_of_processes_do_not_matter(tmp_path: Path) -> None:
    rules = [rule(tmp_path), rule(tmp_path, "two", files='["mmengine/b.py"]')]
    assert plan(rules) == plan(rules[::-1]) == plan(rules, jobs=2)


@pytest.mark.parametrize(
    ("head", "target", "reason"),
    [
        pytest.param({}, "bi_v150", "bi_v150 has no trait own-device", id="trait missing"),
        pytest.param({"when": '{ none = ["own-device"] }'}, "sdaa", "sdaa has the trait own-device", id="trait in the way"),
        pytest.param({"when": '{ any = ["float64-missing", "cuda-compatible"] }'}, "sdaa", "sdaa has none of the traits", id="none of several traits"),
        pytest.param({"native": '{ npu = ">=0.10.3" }'}, "npu", "mmengine 0.10.5 does this for npu itself", id="native"),
        pytest.param({"optional": "true"}, "sdaa", "optional: ask for it with --with-rule", id="optional"),
        pytest.param({"where_present": "true", "files": '["tools/*.py"]'}, "sdaa", "there is no tools/*.py", id="files that only checkouts have"),
        pytest.param({"requires": '{ mmengine = ">=0.10,<0.11", mmcv = ">=2" }'}, "sdaa", "needs mmcv >=2, which is not there", id="other package missing"),
    ],
)  # fmt: skip
def test_skipped_rules_say_why(
    head: dict[str, str], target: str, reason: str, tmp_path: Path
) -> None:
    made = plan([rule(tmp_path, **head)], target)
    assert made.edits == ()
    assert [skip.reason for skip in made.skips] == [
        skip.reason for skip in made.skips if skip.reason.startswith(reason)
    ]
    assert len(made.skips) == 1


def test_a_target_makes_the_optional_rules_it_asks_for_and_what_they_need(tmp_path: Path) -> None:
    rules = [
        rule(tmp_path, optional="true"),
        rule(
            tmp_path,
            "two",
            files='["mmengine/b.py"]',
            optional="true",
            needs='["mmengine/one"]',
        ),
    ]
    asking = replace(load_targets()["sdaa"], ask=("mmengine/two",))
    tree = {"mmengine": MemoryTree("mmengine", "0.10.5", TREE)}
    made = make_plan(rules, asking, tree)
    assert made.rule_digests.keys() == {"mmengine/one", "mmengine/two"}
    assert make_plan(rules, asking, tree, without=["mmengine/one"]).edits == ()
    assert make_plan(rules, asking, tree, only=["mmengine/one"]).rule_digests.keys() == {
        "mmengine/one"
    }


def test_a_rule_for_another_version_is_skipped_while_others_apply(tmp_path: Path) -> None:
    other = rule(tmp_path, "other", requires='{ mmengine = "<0.10" }')
    made = plan([rule(tmp_path), other])
    assert [skip.reason for skip in made.skips] == ["is for mmengine <0.10, not 0.10.5"]


def test_a_version_that_no_rule_knows_says_which_are_known(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedVersion, match=r"mmengine 0\.9\.0: no rule for sdaa") as caught:
        plan([rule(tmp_path)], version="0.9.0")
    assert "<0.11" in caught.value.hint


def test_a_version_that_needs_no_rule_of_every_targets_is_left_as_it_is(tmp_path: Path) -> None:
    made = plan([rule(tmp_path, when="")], version="0.9.0")
    assert made.edits == ()
    assert [skip.reason for skip in made.skips] == ["is for mmengine >=0.10,<0.11, not 0.9.0"]


def test_only_and_without(tmp_path: Path) -> None:
    rules = [rule(tmp_path), rule(tmp_path, "two", files='["mmengine/b.py"]')]
    assert {edit.rule for edit in plan(rules, only=["mmengine/two"]).edits} == {"mmengine/two"}
    assert {edit.rule for edit in plan(rules, without=["mmengine/two"]).edits} == {"mmengine/one"}


def test_a_rule_asked_for_that_is_not_there_comes_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--rule mmengine/on") as caught:
        plan([rule(tmp_path)], only=["mmengine/on"])
    assert caught.value.hint == "Did you mean `mmengine/one`?"


def test_a_missed_expectation_names_counts_and_the_nearest_code(tmp_path: Path) -> None:
    edit = 'match = "torch.cuda.f($X, $Y)"\nreplace = "g($X, $Y)"'
    with pytest.raises(PlanError) as caught:
        plan([rule(tmp_path, edit=edit)])
    message = str(caught.value)
    assert (
        "rule mmengine/one, edit 1 (rewrite): mmengine/a.py: expected 1 match, found 0" in message
    )
    assert "nearest:    mmengine/a.py:5: return torch.cuda.f(x)" in message


def test_too_many_matches_fail_too(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="expected 1 match, found 2"):
        plan([rule(tmp_path, files='["mmengine/a.py", "mmengine/b.py"]')])


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"mmengine has no file mmengine/gone\.py"):
        plan([rule(tmp_path, files='["mmengine/gone.py"]')])


def test_a_rule_that_would_change_nothing_is_an_error(tmp_path: Path) -> None:
    edit = 'match = "torch.cuda.g($X)"\nreplace = "h($X)"\nexpect = "0.."'
    with pytest.raises(PlanError, match="rule mmengine/one would change nothing in mmengine"):
        plan([rule(tmp_path, edit=edit)])


def test_every_rule_that_would_change_nothing_is_told(tmp_path: Path) -> None:
    edit = 'match = "torch.cuda.g($X)"\nreplace = "h($X)"\nexpect = "0.."'
    with pytest.raises(PlanError) as caught:
        plan([rule(tmp_path, edit=edit), rule(tmp_path, "two", edit=edit)])
    assert len(caught.value.failures) == 2


def test_rules_in_conflict_are_both_named(tmp_path: Path) -> None:
    edit = 'match = "return $X"\nreplace = "return other()"'
    with pytest.raises(PlanError, match="rules mmengine/one and mmengine/two edit the same code"):
        plan([rule(tmp_path), rule(tmp_path, "two", edit=edit)])


def test_an_enclosing_rule_may_declare_what_it_overrides(tmp_path: Path) -> None:
    edit = 'match = "return $X"\nreplace = "return other()"'
    made = plan([rule(tmp_path), rule(tmp_path, "two", edit=edit, overrides='["mmengine/one"]')])
    assert {edit.rule for edit in made.edits} == {"mmengine/two"}


def test_a_file_that_does_not_parse_is_named(tmp_path: Path) -> None:
    edit = 'match = "torch.cuda.broken()"\nreplace = "mended()"'
    with pytest.raises(PlanError, match=r"mmengine/broken\.py:1: does not parse"):
        plan([rule(tmp_path, edit=edit, files='["mmengine/broken.py"]')])


def test_all_failures_are_told_at_once(tmp_path: Path) -> None:
    first = rule(tmp_path, files='["mmengine/gone.py"]')
    second = rule(tmp_path, "two", edit='match = "torch.cuda.h()"\nreplace = "torch.h()"')
    with pytest.raises(PlanError) as caught:
        plan([first, second])
    assert len(caught.value.failures) == 2


def test_a_rule_asked_for_brings_what_it_needs(tmp_path: Path) -> None:
    rules = [
        rule(tmp_path),
        rule(tmp_path, "two", files='["mmengine/b.py"]', needs='["mmengine/one"]'),
    ]
    assert plan(rules, only=["mmengine/two"]).rule_digests.keys() == {
        "mmengine/one",
        "mmengine/two",
    }
    assert plan(rules, only=["mmengine/one"]).rule_digests.keys() == {"mmengine/one"}


def test_a_rule_left_out_takes_along_what_needs_it(tmp_path: Path) -> None:
    rules = [
        rule(tmp_path),
        rule(tmp_path, "two", files='["mmengine/b.py"]', needs='["mmengine/one"]'),
    ]
    made = plan(rules, without=["mmengine/one"])
    assert made.edits == ()
    assert {skip.rule: skip.reason for skip in made.skips} == {
        "mmengine/one": "left out with --without-rule",
        "mmengine/two": "needs mmengine/one, which is left out with --without-rule",
    }


def test_a_pattern_that_is_not_python_is_told_by_rule_and_edit(tmp_path: Path) -> None:
    edit = 'match = "f("\nreplace = "g()"'
    with pytest.raises(
        PlanError, match=r"rule mmengine/one, edit 1 \(rewrite\): the pattern 'f\('"
    ):
        plan([rule(tmp_path, edit=edit)])


def test_a_replacement_that_lacks_its_module_is_told_by_rule_and_file(tmp_path: Path) -> None:
    edit = 'match = "return $X"\nreplace = "return numpy.abs($X)"'
    with pytest.raises(PlanError, match=r"rule mmengine/one, edit 1 .* mmengine/a\.py: .*`numpy`"):
        plan([rule(tmp_path, edit=edit)])
