"""The words of a check."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

State = Literal["held", "broken", "skipped"]

#: Promises of the tree as a whole, beside those of ``porter.invariants.FILE_INVARIANTS``.
TREE_INVARIANTS = {
    "once": "applying twice is applying once",
    "revert": "revert gives upstream's bytes, every one",
    "imports": "what could be imported still can, with the same names and parameters",
    "behaviour": "without the plugin, on plain CPU, it does what upstream does",
    "device": "importing a package never initialises the device",
}


@dataclass(frozen=True)
class Result:
    """One promise.

    Attributes:
        scope: What it was asked of, such as ``64 files``.
        reason: Why it was not asked; empty if it was.
        problems: What breaks it, one a line.
    """

    name: str
    promise: str
    state: State
    scope: str = ""
    reason: str = ""
    problems: tuple[str, ...] = ()


def judged(name: str, promise: str, scope: str, problems: Iterable[str]) -> Result:
    """A promise that was asked about."""
    found = tuple(problems)
    return Result(name, promise, "broken" if found else "held", scope, problems=found)


def skipped(name: str, reason: str) -> Result:
    """A promise of the tree that was not asked about."""
    return Result(name, TREE_INVARIANTS[name], "skipped", reason=reason)
