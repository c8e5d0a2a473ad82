"""The harness of rule cases: it fails when it should."""

from __future__ import annotations

from pathlib import Path

import pytest

from porter.ruletest import CaseResult, run_cases
from tests.helpers import all_targets, rule_from

RULE = """
id = "mmengine/rule"
why = "Because the test of it says so."
source = "a test"
when = { trait = "own-device" }
files = ["mmengine/a.py"]
"""


def result(edit: str, case: str, folder: Path) -> CaseResult:
    text = f"{RULE}\n[[edit]]\n{edit}\n[[case]]\nname = 'usual'\nbefore = 'f(1)'\nafter = 'g(1)'\n"
    rule = rule_from(f"{text}\n[[case]]\nname = 'tried'\n{case}\n", folder)
    return run_cases([rule], all_targets())[1]


REWRITE = "kind = 'rewrite'\nmatch = 'f($X)'\nreplace = 'g($X)'"


@pytest.mark.parametrize(
    ("edit", "case", "message"),
    [
        pytest.param(REWRITE, "before = 'f(2)'\nafter = 'g(2)'", "", id="as it says"),
        pytest.param(REWRITE, "unchanged = 'h(2)'", "", id="unchanged as it says"),
        pytest.param(REWRITE, "before = 'f(2)'\nafter = 'g(3)'", "the outcome differs", id="another outcome"),
        pytest.param(REWRITE, "unchanged = 'f(2)'", "changed, though it must not", id="changed"),
        pytest.param(
            "kind = 'rewrite'\nmatch = 'f($X)'\nreplace = 'f($X + 1)'",
            "before = 'f(2)'\nafter = 'f(2 + 1)'",
            "",
            id="what reads like the replacement is left alone",
        ),
        pytest.param(
            "kind = 'rewrite'\nmatch = 'f($X)'\nreplace = 'h(f(1))'",
            "before = 'f(2)'\nafter = 'h(f(1))'",
            "",
            id="so is what stands inside it",
        ),
        pytest.param(
            "kind = 'rewrite'\nmatch = 'n'\nreplace = 'n.m'\nwithin = 'k'",
            "before = '''def k():\n    return n\n'''\nafter = '''def k():\n    return n.m\n'''",
            "",
            id="a part of it too",
        ),
        pytest.param(
            "kind = 'rename'\nfrom = 'torch.a'\nto = 'torch.a.a'",
            "before = '''import torch\nx = torch.a\n'''\nafter = '''import torch\nx = torch.a.a\n'''",
            "a second application changes it again",
            id="never at rest",
        ),
        pytest.param(
            "kind = 'insert'\nbefore = 'f($X)'\ncode = 'return $X'",
            "before = 'f(2)'\nafter = '''return 2\nf(2)'''",
            "",
            id="a return needs no function around it in a case",
        ),
        pytest.param(
            "kind = 'rewrite'\nmatch = 'f($$$A)'\nreplace = 'g()'",
            "before = '''f(  # why\n    2)'''\nafter = 'g()'",
            "a comment is lost: # why",
            id="lost comment",
        ),
        pytest.param(
            "kind = 'rewrite'\nmatch = 'f('\nreplace = 'g()'",
            "unchanged = 'h()'",
            "is not Python",
            id="pattern that is no code",
        ),
        pytest.param(REWRITE, "before = 'f(2)'\nafter = 'g(2)'\ntarget = 'nochip'", "there is no target 'nochip'", id="unknown target"),
    ],
)  # fmt: skip
def test_cases(edit: str, case: str, message: str, tmp_path: Path) -> None:
    outcome = result(edit, case, tmp_path)
    assert outcome.ok is (message == "")
    assert message in outcome.message


def test_a_case_may_be_about_one_version(tmp_path: Path) -> None:
    edit = f"{REWRITE}\nrequires = {{ mmengine = '<0.10.5' }}"
    old = "before = 'f(2)'\nafter = 'g(2)'\nversion = '0.10.4'"
    new = "unchanged = 'f(2)'\nversion = '0.10.5'"
    assert result(edit, old, tmp_path).ok
    assert result(edit, new, tmp_path).ok
