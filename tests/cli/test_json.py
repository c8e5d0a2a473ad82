"""``docs/json.md`` names every key that a command prints, under the command's heading."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

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
    "revert": ("revert",),
}

#: Keys under which the user's own names are keys.
NAMES = {"versions", "pins", "traits", "requires", "native"}


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


@pytest.mark.parametrize(("command", "words"), COMMANDS.items(), ids=COMMANDS.keys())
def test_every_key_is_documented(
    run: Run, ported: Path, command: str, words: tuple[str, ...]
) -> None:
    result = run(*words, "--json")
    assert result.code == 0, result.err
    # The rows of rules and skips are described once, under apply.
    described = section(command) + (section("apply") if command == "diff" else "")
    printed = set(keys(result.json))
    assert printed
    assert {key for key in printed if f"`{key}`" not in described} == set()


def test_the_keys_of_an_error_are_documented(run: Run) -> None:
    error = run("status", "--into", "nowhere", "--json").json["error"]
    text = PAGE.read_text(encoding="utf-8")
    assert all(f"| `{key}` |" in text for key in error)


@pytest.mark.parametrize(("command", "words"), COMMANDS.items(), ids=COMMANDS.keys())
def test_documents_have_sorted_keys_and_end_in_one_line_end(
    run: Run, ported: Path, command: str, words: tuple[str, ...]
) -> None:
    result = run(*words, "--json")
    assert list(result.json) == sorted(result.json)
    assert result.out.endswith("}\n")
    assert result.err == ""
