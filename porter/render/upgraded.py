"""What ``porter upgrade`` tells: what changed between two ports, and whose edits are carried."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from porter.render.blocks import BLANK, Block, Command, Style, Text
from porter.render.words import count
from porter.upgrade.model import Upgraded

_HEADS = {
    "upgraded": "Upgraded {into}: {moves}",
    "unchanged": "Nothing to do in {into}: {moves}",
    "planned": "Nothing written. {into} would become: {moves}",
}
_STYLES: dict[str, Style] = {"gained": "green", "lost": "red", "changed": "yellow", "moved": "dim"}
_SHOWN = 4


def upgraded_blocks(done: Upgraded, into: Path) -> list[Block]:
    """Packages, rules, edits by hand, conflicts, and what is next."""
    head = _HEADS[done.status].format(into=into, moves=_moves(done))
    blocks: list[Block] = [Text(head, "red" if done.conflicts else "bold")]
    if done.finished:
        blocks.append(Text("A run that had been killed was finished first.", "yellow"))
    blocks += _rule_blocks(done)
    verb = "written" if done.status == "upgraded" else "to write"
    blocks.append(Text(f"{count(len(done.rules), 'rule')} differ, {done.same} do the same; "
                       f"{count(done.written, 'file')} {verb}"))  # fmt: skip
    if done.carried:
        blocks.append(
            Text(f"Hand edits carried over in {count(len(done.carried), 'file')}", "bold")
        )
        resolved = dict.fromkeys(done.resolved, " (as resolved)")
        blocks += [Text(f"{path}{resolved.get(path, '')}", indent=2) for path in done.carried]
    if done.conflicts:
        blocks.append(Text(f"Hand edits in conflict: {count(len(done.conflicts), 'file')}", "red"))
        blocks += [Text(f"{one.path}: {one.reason}", indent=2) for one in done.conflicts]
    return [*blocks, BLANK, _next(done, into)]


def upgraded_document(done: Upgraded) -> dict[str, Any]:
    """``porter upgrade``.

    Keys: ``status``, ``target``, ``before`` and ``after`` (package -> version), ``rules``
    (each ``kind``, ``package``, ``rule``, ``details``), ``same``, ``written``, ``carried``,
    ``resolved``, ``conflicts`` (each ``file``, ``reason``), ``conflicts_folder``, ``finished``.
    """
    return {
        "status": done.status,
        "target": done.target,
        "before": dict(done.before),
        "after": dict(done.after),
        "rules": [
            {"kind": c.kind, "package": c.package, "rule": c.rule, "details": list(c.details)}
            for c in done.rules
        ],
        "same": done.same,
        "written": done.written,
        "carried": list(done.carried),
        "resolved": list(done.resolved),
        "conflicts": [{"file": c.path, "reason": c.reason} for c in done.conflicts],
        "conflicts_folder": str(done.folder) if done.conflicts else None,
        "finished": done.finished,
    }


def _moves(done: Upgraded) -> str:
    return ", ".join(
        f"{package} {version}"
        if done.before.get(package) == version
        else f"{package} {done.before.get(package)} -> {version}"
        for package, version in done.after.items()
    )


def _rule_blocks(done: Upgraded) -> Iterator[Block]:
    kind = ""
    for change in done.rules:
        if change.kind != kind:
            kind = change.kind
            number = sum(other.kind == kind for other in done.rules)
            yield Text(f"{kind.capitalize()} ({number})", _STYLES[kind])
        details = [*change.details[:_SHOWN]]
        more = len(change.details) - _SHOWN
        details += [f"and {more} more"] if more > 0 else []
        yield Text(f"{change.rule}: {', '.join(details)}", indent=2)


def _next(done: Upgraded, into: Path) -> Block:
    folder = shlex.quote(str(into))
    if done.conflicts:
        return Text(f"Resolve them in {done.folder}, then run the same command again.")
    if done.status == "planned":
        return Command("Next", "the same command without --dry-run")
    return Command("Next", f"porter check --into {folder}")
