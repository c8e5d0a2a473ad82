"""What is wrong with a rule file is said with the file and the key."""

from __future__ import annotations

from pathlib import Path

import pytest

from porter.errors import RuleFileError
from porter.model import Condition, Expect
from porter.rulebook.operations import Rewrite
from tests.helpers import rule_from

HEAD = """
id = "mmengine/rule"
why = "The device has no such function, so the call fails."
source = "a test"
when = { trait = "own-device" }
files = ["mmengine/a.py"]
"""
EDIT = """
[[edit]]
kind = "rewrite"
match = "f($X)"
replace = "g($X)"
"""
CASE = """
[[case]]
name = "renames"
before = "f(1)"
after = "g(1)"
"""


def test_a_rule_is_read(tmp_path: Path) -> None:
    rule = rule_from(HEAD + EDIT + 'expect = "2.."\n' + CASE, tmp_path)
    assert rule.id == "mmengine/rule"
    assert rule.packages == ("mmengine",)
    assert rule.when.all == ("own-device",)
    assert rule.operations == (Rewrite(match="f($X)", replace="g($X)", expect=Expect(2, None)),)
    assert [case.name for case in rule.cases] == ["renames"]


def test_a_rule_without_a_condition_is_every_targets(tmp_path: Path) -> None:
    text = HEAD.replace('when = { trait = "own-device" }\n', "")
    assert rule_from(text + EDIT + CASE, tmp_path).when == Condition()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("id = ", "not valid TOML", id="malformed TOML"),
        pytest.param(HEAD + 'colour = "red"\n' + EDIT + CASE, "unknown key `colour`", id="unknown key"),
        pytest.param(HEAD + EDIT + 'wthin = "f"\n' + CASE, r"edit\[1\]: unknown key `wthin`", id="unknown key in an edit"),
        pytest.param(HEAD.replace("mmengine/rule", "mmengine/other") + EDIT + CASE, "id: must be 'mmengine/rule'", id="id that is not the place"),
        pytest.param(HEAD.replace("The device has no such function, so the call fails.", "why not") + EDIT + CASE, "why: must be a reason", id="no real reason"),
        pytest.param(HEAD.replace('{ trait = "own-device" }', "{}") + EDIT + CASE, "when: names no trait", id="no trait"),
        pytest.param(HEAD + 'requires = { mmcv = "2.x" }\n' + EDIT + CASE, "requires.mmcv: '2.x' is not a version specifier", id="bad specifier"),
        pytest.param(HEAD + CASE, "at least one", id="no edits"),
        pytest.param(HEAD + EDIT, "at least one", id="no case"),
        pytest.param(HEAD + EDIT.replace("rewrite", "rewrote") + CASE, "unknown kind 'rewrote'", id="unknown kind"),
        pytest.param(HEAD + EDIT.replace('g($X)', "g($Y)") + CASE, r"edit\[1\].replace: \$Y is not bound", id="unbound metavariable"),
        pytest.param(HEAD + EDIT.replace('g($X)', "$gadget.g($X)") + CASE, r"edit\[1\].replace: \$gadget is nothing a target has", id="unknown target name"),
        pytest.param(HEAD + EDIT + "expect = -1\n" + CASE, r"edit\[1\].expect: must be a count", id="negative expectation"),
        pytest.param(HEAD + EDIT + 'expect = "two"\n' + CASE, r"edit\[1\].expect", id="expectation in words"),
        pytest.param(HEAD + EDIT + 'where = { X = "(" }\n' + CASE, r"edit\[1\].where.X: not a regular expression", id="bad regular expression"),
        pytest.param(HEAD + EDIT + 'where = { Y = "a" }\n' + CASE, r"\$Y is not bound", id="where for nothing"),
        pytest.param(HEAD.replace('["mmengine/a.py"]', '["../a.py"]') + EDIT + CASE, "leaves the package", id="file outside"),
        pytest.param(HEAD.replace('files = ["mmengine/a.py"]', "") + EDIT + CASE, r"edit\[1\]: names no files", id="no files"),
        pytest.param(HEAD + EDIT + CASE.replace("g(1)", "f(1)"), "before and after are equal", id="case that says nothing"),
        pytest.param(HEAD + EDIT.replace('match = "f($X)"\n', "") + CASE, r"edit\[1\]: the key `match` is missing", id="missing key"),
        pytest.param(HEAD + EDIT.replace('"f($X)"', "7") + CASE, r"edit\[1\].match: must be a string", id="wrong type"),
        pytest.param(HEAD + '[[edit]]\nkind = "insert"\ncode = "x"\n' + CASE, "exactly one of", id="insertion without a place"),
        pytest.param(HEAD + '[[edit]]\nkind = "add-file"\npath = "a"\ncontent_file = "no.py"\n', "no.py: cannot be read", id="missing sibling"),
    ],
)  # fmt: skip
def test_bad_rules(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(RuleFileError, match=message) as caught:
        rule_from(text, tmp_path)
    assert "rule.toml" in str(caught.value)


def test_an_unknown_key_comes_with_the_nearest_known_one(tmp_path: Path) -> None:
    with pytest.raises(RuleFileError) as caught:
        rule_from(HEAD + EDIT + 'mach = "f"\n' + CASE, tmp_path)
    assert caught.value.hint == "Did you mean `match`?"


def test_a_sibling_body_counts_in_the_digest(tmp_path: Path) -> None:
    text = HEAD + '[[edit]]\nkind = "add-file"\npath = "mmengine/n.py"\ncontent_file = "n.py"\n'
    (tmp_path / "mmengine").mkdir()
    body = tmp_path / "mmengine" / "n.py"
    body.write_text("x = 1\n", encoding="utf-8")
    first = rule_from(text, tmp_path).digest
    assert rule_from(text, tmp_path).digest == first
    body.write_text("x = 2\n", encoding="utf-8")
    assert rule_from(text, tmp_path).digest != first
