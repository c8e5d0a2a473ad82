"""The JSON schemas take what porter takes, and refuse what it refuses."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from porter.rulebook.catalog import data_folder
from porter.rulebook.schema import rule_schema, target_schema
from tests.helpers import FIXTURES

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

RULES = sorted([*data_folder("rules").glob("*/*.toml"), *FIXTURES.glob("rules/*/*.toml")])
TARGETS = sorted(
    path
    for folder in (data_folder("targets"), FIXTURES / "targets")
    for path in folder.glob("*.toml")
    if path.name != "traits.toml"
)


def problems(schema: dict[str, Any], document: dict[str, Any]) -> list[str]:
    Draft202012Validator.check_schema(schema)
    return [error.message for error in Draft202012Validator(schema).iter_errors(document)]


@pytest.mark.parametrize("path", RULES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_rule_fits_the_schema(path: Path) -> None:
    assert problems(rule_schema(), tomllib.loads(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("path", TARGETS, ids=lambda path: path.stem)
def test_every_target_fits_the_schema(path: Path) -> None:
    assert problems(target_schema(), tomllib.loads(path.read_text(encoding="utf-8"))) == []


RULE = {
    "id": "a/b",
    "why": "Because.",
    "source": "a test",
    "when": {"trait": "t"},
    "edit": [{"kind": "rewrite", "match": "f()", "replace": "g()"}],
}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"colour": "red"}, id="unknown key"),
        pytest.param({"where_present": "yes"}, id="presence that is no yes or no"),
        pytest.param({"when": {}}, id="no trait"),
        pytest.param({"edit": []}, id="no edit"),
        pytest.param({"edit": [{"kind": "rewrote"}]}, id="unknown kind"),
        pytest.param({"edit": [{"kind": "rewrite", "match": "f()"}]}, id="missing key of an edit"),
        pytest.param(
            {"edit": [{"kind": "rewrite", "match": "f", "replace": "g", "expect": "two"}]},
            id="bad expectation",
        ),
        pytest.param({"case": [{"name": "n"}]}, id="case without code"),
    ],
)
def test_bad_rules_do_not_fit(change: dict[str, Any]) -> None:
    assert problems(rule_schema(), RULE) == []
    assert problems(rule_schema(), {**RULE, **change}) != []
