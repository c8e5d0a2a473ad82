"""What ``porter rules test`` tells: how many cases hold, and where the others differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from porter.render.blocks import BLANK, Block, Diff, Text
from porter.render.catalog import diff_lines
from porter.render.words import count

if TYPE_CHECKING:
    from porter.ruletest import CaseResult


def case_blocks(results: Sequence[CaseResult]) -> list[Block]:
    """Each failure with its difference, then the totals."""
    blocks: list[Block] = []
    failed = [result for result in results if not result.ok]
    for result in failed:
        name = f"{result.rule}: {result.case}"
        place = f"{name} ({result.target})" if result.target else name
        blocks += [Text(f"FAIL {place}", "red"), *_failure_blocks(result), BLANK]
    rules = count(len({result.rule for result in results}), "rule")
    total = f"{count(len(results), 'case')} of {rules}"
    verdict = f"{len(failed)} failed" if failed else "all hold"
    return [*blocks, Text(f"{total}: {verdict}", "red" if failed else "green")]


def _failure_blocks(result: CaseResult) -> list[Block]:
    """What is wrong, and the way from the outcome that was wanted to the one there is."""
    lines = diff_lines(result.wanted, result.got) if result.got else ()
    blocks: list[Block] = [Text(result.message, indent=2)]
    if lines:
        blocks += [Text("- wanted, + got", "dim", indent=2), Diff(lines, indent=2)]
    return blocks


def case_document(results: Sequence[CaseResult]) -> dict[str, Any]:
    """``porter rules test``.

    Keys: ``passed`` and ``failed`` (numbers), ``cases`` (each ``rule``, ``case``,
    ``target``, ``ok``, ``message``, ``got``, ``wanted``).
    """
    failed = sum(not result.ok for result in results)
    return {
        "passed": len(results) - failed,
        "failed": failed,
        "cases": [
            {
                "rule": result.rule,
                "case": result.case,
                "target": result.target,
                "ok": result.ok,
                "message": result.message,
                "got": result.got,
                "wanted": result.wanted,
            }
            for result in results
        ],
    }
