"""An audit against the planted corpus: its figures, and that they are worth something."""

from __future__ import annotations

from collections import Counter

import pytest

from porter.audit.model import KINDS, Report
from porter.audit.run import AuditRequest, audit
from porter.rulebook.catalog import get_target, load_rules
from tests.audit import corpus


@pytest.fixture(scope="module")
def report() -> Report:
    target = get_target("sdaa")
    return audit(AuditRequest(target, tuple(load_rules()), corpus.FOLDER, link=False))


def test_open_findings_are_the_planted_ones(
    report: Report, record_property: pytest.RecordProperty
) -> None:
    truth, found = corpus.labels(), corpus.findings(report)
    opened, everything = corpus.score(found, truth, "open"), corpus.score(found, truth)
    print(f"\nopen: {opened}\nall classes: {everything}")
    for kind, score in corpus.by_kind(found, truth).items():
        print(f"  {kind}: {score}")
    record_property("open", str(opened))
    assert opened.precision >= 0.98, sorted(map(str, (found - truth).elements()))
    assert opened.recall >= 0.95, sorted(map(str, (truth - found).elements()))
    assert everything.precision >= 0.95
    assert everything.recall >= 0.95


def test_the_corpus_is_large_and_has_every_kind_a_text_can_plant() -> None:
    truth = corpus.labels()
    assert sum(truth.values()) >= 190
    needs_other_traits = {"dtype", "dynamic-shape"}
    assert {label.kind for label in truth} == set(KINDS) - needs_other_traits
    assert {label.cls for label in truth} == {"open", "fallback", "ported", "native", "harmless"}


def test_the_figures_can_fail(report: Report) -> None:
    truth, found = corpus.labels(), corpus.findings(report)
    blind = Counter({label: n for label, n in found.items() if label.kind != "device-string"})
    assert corpus.score(blind, truth, "open").recall < 0.95
    assert corpus.score(found + blind, truth, "open").precision < 0.98


def test_what_is_missed_is_what_no_file_tells_by_itself(report: Report) -> None:
    missed = corpus.labels() - corpus.findings(report)
    assert {label.path for label in missed} <= {"hard.py"}


def test_on_code_that_it_was_not_written_along_with() -> None:
    target = get_target("sdaa")
    found = corpus.findings(
        audit(AuditRequest(target, tuple(load_rules()), corpus.HELD_OUT, link=False))
    )
    opened = corpus.score(found, corpus.labels(corpus.HELD_OUT), "open")
    print(f"\nheld out, open: {opened}")
    assert opened.precision >= 0.95
    assert opened.recall >= 0.95
