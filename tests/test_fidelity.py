"""The table of the hand ports' edits is whole, and says what the rules say."""

from __future__ import annotations

import importlib.util
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from tests.helpers import all_rules

DOCS = Path(__file__).parent.parent / "docs"
#: The catalogue: 82 edits of GFocalV2, 86 of FSAF and one that was found late.
CATALOGUE = {
    *(f"GF{number:02}" for number in range(1, 83)),
    *(f"FS{number:02}" for number in range(1, 87)),
    "FS61b",
}


@pytest.fixture(scope="module")
def fidelity() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fidelity", DOCS / "fidelity.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module


def test_every_edit_of_the_catalogue_is_there_once(fidelity: ModuleType) -> None:
    assert len(CATALOGUE) == 169
    assert set(fidelity.read_edits()) == CATALOGUE
    text = (DOCS / "npu-fidelity.toml").read_text(encoding="utf-8")
    heads = Counter(line for line in text.splitlines() if line.startswith("["))
    assert max(heads.values()) == 1


def test_every_edit_says_what_it_is_and_what_became_of_it(fidelity: ModuleType) -> None:
    for edit in fidelity.read_edits().values():
        assert edit.where, edit.id
        assert edit.what.endswith("."), edit.id
        assert edit.outcome in fidelity.OUTCOMES, edit.id
        assert edit.why.endswith(".") or (edit.outcome == "rule" and not edit.why), edit.id


def test_a_twin_is_an_edit_of_the_other_port(fidelity: ModuleType) -> None:
    edits = fidelity.read_edits()
    for edit in (edit for edit in edits.values() if edit.same):
        assert edit.id[:2] != edit.same[:2], edit.id
        assert not edits[edit.same].same, edit.id


def test_what_a_rule_is_said_to_do_a_rule_says_of_itself(fidelity: ModuleType) -> None:
    made = fidelity.rules_by_edit(all_rules())
    done = {e.id for e in fidelity.read_edits().values() if e.outcome in ("rule", "better")}
    assert done - set(made) == set()


def test_rules_name_edits_that_there_are(fidelity: ModuleType) -> None:
    assert set(fidelity.rules_by_edit(all_rules())) <= CATALOGUE


@pytest.mark.parametrize(
    ("source", "ids"),
    [
        ("FSAF on NPU, FS44", {"FS44"}),
        ("GF18, FS20 and FS61b", {"GF18", "FS20", "FS61b"}),
        ("GF06 to GF08", {"GF06", "GF07", "GF08"}),
        ("FS44-47", {"FS44", "FS45", "FS46", "FS47"}),
        ("GF1, found by reading", set()),
    ],
)
def test_edits_that_a_source_names(fidelity: ModuleType, source: str, ids: set[str]) -> None:
    assert fidelity.edits_in(source) == ids


def test_the_page_has_a_row_for_each_and_the_right_sums(fidelity: ModuleType) -> None:
    lines = list(fidelity.page("", all_rules()))
    rows = [line.split(" | ")[0].removeprefix("| ") for line in lines]
    assert {row for row in rows if row in CATALOGUE} == CATALOGUE
    sums = [int(line.split("|")[-2]) for line in lines if line.split("|")[1:2] and line.split("|")[1].strip() in fidelity.OUTCOMES.values()]  # fmt: skip
    assert len(sums) == len(fidelity.OUTCOMES)
    assert sum(sums) == 169
