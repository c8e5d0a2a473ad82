"""``porter audit`` as a user meets it: formats, exit codes, bad options."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from porter.cli.audit import FINDINGS

from .conftest import Run


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir()
    code = "import torch\n\n\ndef step(x):\n    if x.is_cuda:\n        x = fast(x)\n    else:\n        x = slow(x)\n    return x.cuda()  # <b>\n"
    (folder / "train.py").write_text(code, encoding="utf-8")
    return folder


def test_text_lists_and_counts(run: Run, mine: Path) -> None:
    found = run("audit", "--target", "sdaa", str(mine))
    assert found.code == 0
    assert "train.py:9:12 open [cuda-call]" in found.out
    assert "1 open, 1 fallback" in found.out
    mild = run("audit", "--target", "sdaa", str(mine), "--show", "open")
    assert "train.py:5" not in mild.out


def test_fail_on_has_an_exit_code_of_its_own(run: Run, mine: Path) -> None:
    asked = ("audit", "--target", "sdaa", str(mine), "--fail-on")
    assert run(*asked, "open").code == FINDINGS
    code = (mine / "train.py").read_text(encoding="utf-8").replace(".cuda()", "")
    (mine / "train.py").write_text(code, encoding="utf-8")
    assert run(*asked, "open").code == 0
    assert run(*asked, "fallback").code == FINDINGS


def test_json_is_one_document(run: Run, mine: Path) -> None:
    document = json.loads(run("audit", "--target", "sdaa", str(mine), "--json").out)
    assert [f["class"] for f in document["findings"]] == ["fallback", "open"]
    assert document["summary"]["kinds"]["cuda-call"] == {"open": 1}
    assert document == json.loads(
        run("audit", "--target", "sdaa", str(mine), "--format", "json").out
    )


def test_sarif_names_rules_lines_and_levels(run: Run, mine: Path) -> None:
    document = json.loads(run("audit", "--target", "sdaa", str(mine), "--format", "sarif").out)
    assert document["version"] == "2.1.0"
    (only,) = document["runs"]
    rules = only["tool"]["driver"]["rules"]
    for result in only["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    worst = only["results"][1]
    assert (worst["ruleId"], worst["level"], worst["kind"]) == ("cuda-call", "error", "fail")
    place = worst["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "train.py"
    assert place["region"] == {"startLine": 9, "startColumn": 12}


def test_html_is_one_page_that_escapes(run: Run, mine: Path, tmp_path: Path) -> None:
    page = tmp_path / "audit.html"
    asked = ("audit", "--target", "sdaa", str(mine), "--format", "html", "--output", str(page))
    assert run(*asked).code == 0
    text = page.read_text(encoding="utf-8")
    assert "&lt;b&gt;" in text
    assert "<b>" not in text
    assert "http" not in text.partition("</style>")[2]
    assert "<script" not in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--kind", "cuda-cal"), ("--kind cuda-cal", "cuda-call")),
        (("--package", "mmcv"), ("--package mmcv", "project")),
        (("--ignore", "missing.toml"), ("missing.toml",)),
        (("--format", "xml"), ("xml",)),
        (("--output", "no/such/folder/a.html"), ("no/such/folder",)),
    ],
)
def test_bad_options_are_told(
    run: Run, mine: Path, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    found = run("audit", "--target", "sdaa", str(mine), *arguments)
    assert found.code == 2
    for word in words:
        assert word in found.err


def test_a_folder_that_is_missing_is_told(run: Run) -> None:
    found = run("audit", "--target", "sdaa", "nowhere")
    assert found.code == 7
    assert "nowhere is not there" in found.err
