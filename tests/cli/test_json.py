"""``docs/json.md`` names every key that a command prints, under the command's heading."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from porter.render.demo import demo_document
from porter.render.export_onnx import export_document
from porter.render.training import training_document
from porter.rulebook.catalog import get_target
from porter.verify.judging.asked import Asked
from porter.verify.judging.thresholds import STRICT
from porter.verify.judging.verdict import judge
from porter.verify.launch.place import Site
from porter.verify.report import report_document
from porter.verify.train import TrainOutcome, TrainRequest
from tests.verify import fakes
from tests.verify.test_demo import demo_outcome
from tests.verify.test_export_onnx import export_outcome

from .conftest import Run

PAGE = Path(__file__).parents[2] / "docs" / "json.md"

COMMANDS = {
    "apply": ("apply", "--target", "chip", "--dry-run"),
    "diff": ("diff", "--target", "chip"),
    "fetch": ("fetch", "--target", "chip"),
    "status": ("status",),
    "explain": ("explain", "vendor/mmcv/mmcv/ops.py:3"),
    "targets list": ("targets", "list"),
    "targets show": ("targets", "show", "chip"),
    "rules list": ("rules", "list", "--target", "chip"),
    "rules show": ("rules", "show", "mmcv/own-input"),
    "rules test": ("rules", "test", "mmcv/own-input"),
    "models list": ("models", "list"),
    "models show": ("models", "show", "reppoints"),
    "doctor": ("doctor", "--target", "sdaa"),
    "revert": ("revert",),
    "audit": ("audit", "--target", "sdaa", "vendor"),
    "export": ("export", "--out", "out"),
    "check": ("check", "--static"),
}

#: The same as test cases; one asks a Python what it can import, which takes seconds with torch.
CASES = [
    pytest.param(name, words, id=name, marks=pytest.mark.slow if name == "doctor" else ())
    for name, words in COMMANDS.items()
]

#: Of those that end otherwise than with 0 where they have nothing good to tell.
CODES = {"doctor": (0, 22)}

#: Keys under which the user's own names are keys.
NAMES = {"versions", "pins", "traits", "requires", "native", "configs", "options"}


def section(command: str) -> str:
    text = PAGE.read_text(encoding="utf-8")
    found = re.search(rf"^## porter {command.split()[0]}$(.*?)(?=^## |\Z)", text, re.M | re.S)
    assert found
    return found[1]


def keys(document: Any) -> Iterator[str]:
    if isinstance(document, list):
        for entry in document:
            yield from keys(entry)
    elif isinstance(document, dict):
        for key, value in document.items():
            yield key
            if key not in NAMES and key != "catalog":
                yield from keys(value)


@pytest.mark.parametrize(("command", "words"), CASES)
def test_every_key_is_documented(
    run: Run, ported: Path, command: str, words: tuple[str, ...]
) -> None:
    result = run(*words, "--json")
    assert result.code in CODES.get(command, (0,)), result.err
    # The rows of rules and skips are described once, under apply.
    described = section(command) + (section("apply") if command == "diff" else "")
    printed = set(keys(result.json))
    assert printed
    assert {key for key in printed if f"`{key}`" not in described} == set()


def test_the_keys_of_an_error_are_documented(run: Run) -> None:
    error = run("status", "--into", "nowhere", "--json").json["error"]
    text = PAGE.read_text(encoding="utf-8")
    assert all(f"| `{key}` |" in text for key in error)


@pytest.mark.parametrize(("command", "words"), CASES)
def test_documents_have_sorted_keys_and_end_in_one_line_end(
    run: Run, ported: Path, command: str, words: tuple[str, ...]
) -> None:
    result = run(*words, "--json")
    assert list(result.json) == sorted(result.json)
    assert result.out.endswith("}\n")
    assert result.err == ""


def test_every_key_of_a_verification_is_documented() -> None:
    upstream, ported = fakes.run(ranks=2), fakes.run("sdaa", ranks=2)
    asked = Asked("sim", "sdaa", "tccl", 20, ranks=2, devices=2, eval=True)
    verdict = judge(asked, (upstream, upstream), ported, limits=STRICT)
    document = report_document(fakes.verification((upstream,), ported, verdict))
    (run,), (check, *_) = document["runs"]["ported"], document["checks"]
    parts = (document, document["runs"], run, run["ranks"][0], check, document["vendor_rule"])
    printed = {key for part in (*parts, document["machine"]) for key in part}
    printed |= set(document["machine"]["ported"][0])
    assert {key for key in printed if f"`{key}`" not in section("verify")} == set()


def test_every_key_of_a_training_is_documented() -> None:
    request = TrainRequest("train", "reppoints", Path("vendor"), {}, Path("data"), Path("work"))
    site = Site("sim", "sdaa", "tccl")
    document = training_document(
        TrainOutcome(request, get_target("sdaa"), site, "a.py", 3, {"mAP": 0.1})
    )
    assert {key for key in document if f"`{key}`" not in section("train")} == set()


def test_every_key_of_a_demo_is_documented() -> None:
    document = demo_document(demo_outcome())
    printed = {*document, *document["boxes"][0]}
    assert {key for key in printed if f"`{key}`" not in section("demo")} == set()


def test_every_key_of_an_export_is_documented() -> None:
    document = export_document(export_outcome())
    assert {key for key in document if f"`{key}`" not in section("export-onnx")} == set()
