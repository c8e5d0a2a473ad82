"""Facts about rules as phrases, the same in every listing and page."""

from __future__ import annotations

import re
from collections.abc import Mapping

from packaging.specifiers import SpecifierSet

from porter.model import Condition, Rule, specifier_text


def count(number: int, noun: str) -> str:
    """``1 file``, ``2 files``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def first_sentence(text: str) -> str:
    """The text up to the first full stop that another sentence follows."""
    return re.split(r"(?<=[.!?])\s+(?=[A-Z`])", text, maxsplit=1)[0]


def versions(pins: Mapping[str, str]) -> str:
    """``mmengine 0.10.5, mmcv 2.1.0``, in the order given."""
    return ", ".join(f"{package} {version}".rstrip() for package, version in pins.items())


def specifiers(table: Mapping[str, SpecifierSet]) -> str:
    """``mmcv >=2.0,<2.3; mmengine >=0.10``; lower bounds come first."""
    return "; ".join(f"{name} {specifier_text(wanted)}" for name, wanted in table.items())


def requires_words(rule: Rule) -> list[str]:
    """For which versions a rule is written, as at most one phrase."""
    return [f"Versions: {specifiers(rule.requires)}"] if rule.requires else []


def native_words(rule: Rule) -> list[str]:
    """Where upstream itself does what a rule does, as at most one phrase."""
    return [f"Upstream does it for: {specifiers(rule.native)}"] if rule.native else []


def condition_words(when: Condition) -> str:
    """When a rule is needed, as one phrase."""
    parts = [" and ".join(when.all), _any(when.any), *(f"not {trait}" for trait in when.none)]
    return ", ".join(part for part in parts if part) or "always"


def _any(traits: tuple[str, ...]) -> str:
    return " or ".join(traits)
