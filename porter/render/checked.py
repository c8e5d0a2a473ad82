"""What ``porter check`` tells: each promise, whether it is kept, and what breaks it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from porter.render.blocks import Block, Style, Table, Text
from porter.render.words import count, versions

if TYPE_CHECKING:
    from porter.check.run import Checked

_SHOWN = 20
_STATES: tuple[tuple[str, Style], ...] = (
    ("held", "green"),
    ("broken", "red"),
    ("skipped", "yellow"),
)


def checked_blocks(found: Checked) -> list[Block]:
    """One row a promise, then what breaks one, then the totals."""
    manifest = found.manifest
    rows = tuple((r.name, r.state, r.scope, r.promise) for r in found.results)
    blocks: list[Block] = [
        Text(f"{found.into}: {versions(manifest.pins)}, ported for {manifest.target}", "bold"),
        Table(("Check", "State", "Of", "Promise"), rows, styles=((0, "cyan"),), words=_STATES),
    ]
    for result in found.results:
        if result.problems:
            blocks.append(Text(f"{result.name}: {count(len(result.problems), 'problem')}", "red"))
            blocks += [Text(problem, indent=2) for problem in result.problems[:_SHOWN]]
            more = len(result.problems) - _SHOWN
            blocks += (
                [Text(f"and {more} more; --json lists them all", indent=2)] if more > 0 else []
            )
    reasons = {
        r.reason: [s.name for s in found.results if s.reason == r.reason] for r in found.results
    }
    blocks += [
        Text(f"skipped {', '.join(names)}: {reason}", "yellow")
        for reason, names in reasons.items()
        if reason
    ]
    held = sum(result.state == "held" for result in found.results)
    total = f"{held} of {count(len(found.results), 'promise')} held, {found.broken} broken"
    return [*blocks, Text(total, "red" if found.broken else "green")]


def checked_document(found: Checked) -> dict[str, Any]:
    """``porter check``.

    Keys: ``target``, ``versions``, ``broken`` (a number), ``checks`` (each ``name``,
    ``promise``, ``state``, ``scope``, ``reason``, ``problems``).
    """
    return {
        "target": found.manifest.target,
        "versions": found.manifest.pins,
        "broken": found.broken,
        "checks": [
            {
                "name": result.name,
                "promise": result.promise,
                "state": result.state,
                "scope": result.scope,
                "reason": result.reason,
                "problems": list(result.problems),
            }
            for result in found.results
        ],
    }
