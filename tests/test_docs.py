"""The documents say what is so."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

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
