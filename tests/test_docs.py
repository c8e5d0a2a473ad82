"""The documents say what is so."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
import textwrap
from dataclasses import fields
from pathlib import Path

import click
import pytest

from porter.cli.app import porter
from porter.cli.verify import EXIT_CODES
from porter.cli.verify import command as verify
from porter.errors import CouldNotRun
from porter.verify.judging.asked import Asked
from porter.verify.judging.figures import NAMES
from porter.verify.judging.thresholds import AMP, STRICT
from porter.verify.judging.verdict import judge
from porter.verify.models.recipes import Recipe, read_recipe
from tests.verify import fakes

ROOT = Path(__file__).parent.parent
READMES = ["README.md", "README_zh-CN.md"]


def test_generated_pages_are_up_to_date() -> None:
    command = [sys.executable, "docs/generate.py", "--check"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", READMES)
def test_the_rule_in_the_readme_is_the_rule(name: str) -> None:
    rule = (ROOT / "rules/mmcv/roi-align-own-input.toml").read_text(encoding="utf-8")
    shown = "".join(f"    {line}" if line.strip() else line for line in rule.splitlines(True))
    assert shown.rstrip() in (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "page", [*READMES, *sorted(str(p.relative_to(ROOT)) for p in (ROOT / "docs").glob("*.md"))]
)
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if "://" not in target:
            assert ((ROOT / page).parent / target).exists(), f"{page} links to {target}"


@pytest.mark.parametrize("name", READMES)
def test_the_readme_names_all_targets(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    for path in (ROOT / "targets").glob("*.toml"):
        if path.stem != "traits":
            assert f"`{path.stem}`" in text


@pytest.mark.parametrize(("name", "comments"), [("README.md", True), ("README_zh-CN.md", False)])
def test_the_target_in_the_readme_is_the_fixture(name: str, comments: bool) -> None:
    target = (ROOT / "fixtures/targets/mychip.toml").read_text(encoding="utf-8")
    text = (ROOT / name).read_text(encoding="utf-8")
    for line in filter(None, target.splitlines()):
        code = line if comments else line.partition("  #")[0]
        assert f"    {code}" in text


def check_names() -> set[str]:
    """Names of all checks that a verification can have, as the code has them."""
    names = set(NAMES)
    for path in (ROOT / "porter/verify/judging").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Name(id="Check" | "checked" | "_mean_held"),
                    args=[ast.Constant(value=str(name)), *_],
                ):
                    names.add(name)
                case ast.Assign(targets=[ast.Name(id="name")], value=ast.Constant(value=str(name))):
                    names.add(name)
    return names


def table_rows(page: str) -> dict[str, str]:
    """First cell -> second cell of every row of a page's tables."""
    cells = [re.split(r"(?<!\\)\|", line) for line in page.splitlines() if line.startswith("| ")]
    return {row[1].strip(): row[2].strip() for row in cells}


def verify_page() -> str:
    return (ROOT / "docs/verify.md").read_text(encoding="utf-8")


def test_every_check_is_explained() -> None:
    asked = Asked("sim", "sdaa", "tccl", 20, ranks=2, devices=2, amp=True, eval=True)
    verdict = judge(asked, (fakes.run(ranks=2),), fakes.run("sdaa", ranks=2, amp=True), limits=AMP)
    assert {check.name for check in verdict.checks} <= check_names()
    assert check_names() <= set(table_rows(verify_page()))


def test_the_limits_in_the_page_are_those_of_the_code() -> None:
    """First columns of the figures' table: strict, then with AMP."""
    for amp in (False, True):
        asked = Asked("sim", "sdaa", "tccl", 20, amp=amp, eval=True)
        upstream, ported = fakes.run(), fakes.run("sdaa", amp=amp)
        verdict = judge(asked, (upstream,), ported, limits=AMP if amp else STRICT)
        limits = {check.name: check.limit for check in verdict.checks}
        lines = [line.split("|") for line in verify_page().splitlines()]
        rows = {line[1].strip(): line[3 if amp else 2].strip() for line in lines if len(line) == 6}
        for name in (*NAMES, "boxes kept", "scores of boxes", "places of boxes"):
            assert limits[name] in ("", f"< {rows[name]}"), name  # empty if it was not asked


def test_every_option_of_verify_is_explained() -> None:
    page = verify_page()
    for option in (name for p in verify.params for name in p.opts if name.startswith("--")):
        assert f"`{option}" in page, option


def test_every_key_of_a_recipe_is_explained(tmp_path: Path) -> None:
    keys = {word for cell in table_rows(verify_page()) for word in re.findall(r"`([^`]+)`", cell)}
    known = {field.name for field in fields(Recipe)} - {"name", "path", "config", "configs"}
    tables = {"options", "pin_sets"}
    assert known - tables | {"[options]", "[config]", "[pin_sets]"} <= keys


def test_the_recipe_in_the_page_can_be_read(tmp_path: Path) -> None:
    text = verify_page().partition("    # mine.toml\n")[2].partition("\n| key |")[0]
    path = tmp_path / "mine.toml"
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    recipe = read_recipe(path)
    assert recipe.options == {"model.bbox_head.stacked_convs": 2}
    assert recipe.steps == 20


@pytest.mark.parametrize(
    "page", [*READMES, "docs/verify.md", "docs/simulated-chip.md", "docs/npu-models.md"]
)
def test_commands_in_the_pages_can_be_parsed(page: str) -> None:
    """Every indented ``porter ...`` is a command with options that it has."""
    text = (ROOT / page).read_text(encoding="utf-8").replace("\\\n", " ")
    found = re.findall(r"^    (?:\$ )?porter (.+)$", text, flags=re.MULTILINE)
    assert len(found) > 3
    for line in found:
        check_command(shlex.split(line.partition("  #")[0].partition(" > ")[0]))


def check_command(words: list[str]) -> None:
    """The words up to ``--`` name a command, and options of it."""
    command: click.Command = porter
    context = click.Context(command)
    while isinstance(command, click.Group):
        name, *words = words
        found = command.get_command(context, name)
        assert found is not None, name
        command = found
    if command.context_settings.get("ignore_unknown_options"):
        return  # what follows is another program's
    own = words[: words.index("--")] if "--" in words else words
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in own if word.startswith("--")} <= known, (command.name, own)


@pytest.mark.parametrize("name", READMES)
def test_the_readme_tells_the_exit_codes_of_verify(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    for code in (*EXIT_CODES.values(), CouldNotRun.exit_code):
        assert re.search(rf"\b{code}\b", text, flags=re.ASCII)


def test_the_pictures_are_small() -> None:
    for path in (ROOT / "docs/images").iterdir():
        assert path.stat().st_size < 60_000, path.name
