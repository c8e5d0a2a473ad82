"""apex, which nobody publishes: ported where it is installed, and no mistake where it is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from porter.apply import Outcome, Request, apply, revert
from porter.cli.app import porter
from porter.port.state import inspect
from porter.source import Cache
from tests.helpers import all_rules, all_targets
from tests.world import snapshot

RULE = "apex/cached-cast-parent"

#: As apex has it: a look at the second parent, further down in Ascend's than in NVIDIA's.
OLD = """import torch


def cached_cast(cast_fn, x, cache):
    if x in cache:
        cached_x = cache[x]
        if x.requires_grad and cached_x.requires_grad:
            # Make sure that x is its parent.
            if cached_x.grad_fn.next_functions[1][0].variable is not x:
                raise RuntimeError('x is not the parent')
        return cached_x
    cache[x] = cast_fn(x)
    return cache[x]
"""
LOWER = OLD.replace(
    "def cached_cast", "def is_npu_enabled():\n    return True\n\n\ndef cached_cast"
)
GUARDED = OLD.replace(
    "            # Make",
    "            found = len(cached_x.grad_fn.next_functions) > 1\n            # Make",
).replace("if cached_x.grad_fn", "if found and cached_x.grad_fn")
LAYOUTS = {
    "NVIDIA's of then": (OLD, "apex-0.1.dist-info/METADATA", "0.1"),
    "NVIDIA's of now": (GUARDED, "apex-0.9.10.dev0.dist-info/METADATA", "0.9.10.dev0"),
    "Ascend's": (LOWER, "apex-0.1+ascend-py3.7-linux_aarch64.egg-info", "0.1+ascend"),
    "no word of a version": (OLD, "six.py", ""),
}


def installed(folder: Path, utils: str = OLD, beside: str = "six.py") -> Path:
    """A site-packages folder with an apex in it."""
    into = folder / "site-packages"
    for name, text in {"apex/__init__.py": "", "apex/amp/utils.py": utils, beside: ""}.items():
        (into / name).parent.mkdir(parents=True, exist_ok=True)
        (into / name).write_text(text, encoding="utf-8")
    return into


def port(into: Path, target: str = "npu", **options: Any) -> Outcome:
    request = Request(
        all_targets()[target], tuple(all_rules()), into, packages=("apex",), offline=True, **options
    )
    return apply(request, Cache(into.parent / "cache"))


@pytest.mark.parametrize(("utils", "beside", "version"), LAYOUTS.values(), ids=LAYOUTS)
def test_an_installed_apex_looks_at_the_first_parent(
    utils: str, beside: str, version: str, tmp_path: Path
) -> None:
    into = installed(tmp_path, utils, beside)
    before = snapshot(into)
    outcome = port(into)
    assert outcome.plan.versions == {"apex": version}
    assert set(outcome.plan.rule_digests) == {RULE}
    text = (into / "apex/amp/utils.py").read_text(encoding="utf-8")
    assert text == utils.replace("functions[1][0]", "functions[0][0]").replace("> 1", "> 0")
    assert port(into).status == "unchanged"
    assert {p.package: p.state for p in inspect(into, all_rules()).packages}["apex"] == "ported"
    revert(into)
    assert snapshot(into) == before


def test_a_chip_that_answers_as_cuda_keeps_the_second_parent(tmp_path: Path) -> None:
    into = installed(tmp_path)
    outcome = port(into, "bi_v150")
    assert outcome.plan.edits == ()
    assert (into / "apex/amp/utils.py").read_text(encoding="utf-8") == OLD


def test_without_apex_the_rule_is_skipped_and_nothing_is_written(tmp_path: Path) -> None:
    into = tmp_path / "site-packages"
    into.mkdir()
    (into / "six.py").touch()
    before = snapshot(into)
    outcome = port(into)
    assert [(skip.rule, skip.reason) for skip in outcome.plan.skips] == [
        (RULE, "apex is not in the folder")
    ]
    assert outcome.plan.edits == ()
    assert snapshot(into) == before


@pytest.mark.parametrize("words", [["--package", "apex"], ["--package", "apex", "--set", "legacy"]])
def test_as_a_user_runs_it(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORTER_CACHE", str(tmp_path / "cache"))
    into = installed(tmp_path)
    given = ["--target", "npu", "--into", str(into), *words]
    shown = CliRunner().invoke(porter, ["diff", *given])
    assert shown.exit_code == 0, shown.output
    assert (
        "+            if cached_x.grad_fn.next_functions[0][0].variable is not x:" in shown.output
    )
    done = CliRunner().invoke(porter, ["apply", *given])
    assert done.exit_code == 0, done.output
    assert "Ported for npu" in done.output
    assert RULE in done.output


def test_a_user_is_told_that_there_is_no_apex(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORTER_CACHE", str(tmp_path / "cache"))
    into = tmp_path / "site-packages"
    into.mkdir()
    (into / "six.py").touch()
    given = ["apply", "--target", "npu", "--package", "apex", "--into", str(into)]
    done = CliRunner().invoke(porter, given)
    assert done.exit_code == 0, done.output
    assert "Nothing to port for npu" in done.output
    assert "apex is not in the folder" in done.output
