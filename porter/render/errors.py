"""Errors as text and as JSON: the one place that words them for the user."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from porter.errors import PlanError, PorterError
from porter.render.blocks import Block, Text


@dataclass(frozen=True)
class Problem:
    """What a user is told when a command does not succeed.

    Attributes:
        kind: The class of error in words, such as ``bad target``.
        failures: The parts of the message, where it has several.
    """

    kind: str
    message: str
    hint: str
    exit_code: int
    failures: tuple[str, ...] = ()


def problem(error: PorterError) -> Problem:
    """What to tell of one of porter's own errors."""
    failures = error.failures if isinstance(error, PlanError) else ()
    return Problem(error.title, error.message, error.hint, error.exit_code, failures)


def problem_blocks(found: Problem) -> list[Block]:
    """``error: …``, each further failure, and the hint on a line of its own."""
    if len(found.failures) > 1:
        count = f"error: {found.kind}: {len(found.failures)} failures"
        blocks: list[Block] = [Text(count, "red")]
        blocks += [Text(failure, indent=2) for failure in found.failures]
    else:
        blocks = [Text(f"error: {found.message}", "red")]
    if found.hint:
        blocks.append(Text(f"hint: {found.hint}", "yellow"))
    return blocks


def problem_json(found: Problem) -> str:
    """The error object that takes the place of a result under ``--json``.

    Keys: ``error`` with ``kind``, ``message``, ``hint``, ``exit_code`` and ``failures``
    (a list, empty unless the plan does not hold).
    """
    body: dict[str, Any] = {
        "kind": found.kind,
        "message": found.message,
        "hint": found.hint,
        "exit_code": found.exit_code,
        "failures": list(found.failures),
    }
    return json.dumps({"error": body}, indent=2, sort_keys=True)
