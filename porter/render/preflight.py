"""A preflight as text and as JSON."""

from __future__ import annotations

from typing import Any

from porter.audit.preflight.run import WHERE, Preflight
from porter.render.blocks import BLANK, Block, Style, Table, Text
from porter.render.words import count, versions

_USERS = 2


def preflight_blocks(found: Preflight) -> list[Block]:
    """The table of operators, what its words mean, and the sum of it."""
    head = f"Preflight of {found.config} for {found.target}: {versions(found.versions)}"
    blocks: list[Block] = [Text(head, "bold")]
    rows = tuple(
        (need.op, need.where, _users(need.users), need.rule, need.reason) for need in found.needs
    )
    words: tuple[tuple[str, Style], ...] = (
        *((where, "red") for where in ("missing", "known wrong")),
        ("fallback", "yellow"),
        *((where, "green") for where in ("native", "vendor build", "PyTorch", "host")),
    )
    if rows:
        headers = ("Operator", "Runs", "Used by", "Rule", "Why")
        blocks += [BLANK, Table(headers, rows, words=words), BLANK]
        used = [where for where in WHERE if any(need.where == where for need in found.needs)]
        blocks += [Text(f"{where}: {WHERE[where]}", "dim") for where in used]
    else:
        blocks.append(Text("It needs no operator of mmcv's."))
    if found.unknown:
        listed = ", ".join(found.unknown)
        blocks += [
            BLANK,
            Text(f"Not looked into, as no package here defines them: {listed}", "yellow"),
        ]
    return [*blocks, BLANK, _sum(found)]


def _users(users: tuple[str, ...]) -> str:
    names = [user.partition(" (")[0] for user in users]
    shown = ", ".join(names[:_USERS])
    return shown if len(names) <= _USERS else f"{shown} and {len(names) - _USERS} more"


def _sum(found: Preflight) -> Text:
    bad = [need for need in found.needs if need.where in ("missing", "known wrong")]
    if bad:
        return Text(f"{count(len(bad), 'operator')} will not do on {found.target}", "red")
    slow = sum(need.where == "fallback" for need in found.needs)
    ready = f"{count(len(found.needs), 'operator')}, all of them run on {found.target}"
    return Text(f"{ready}; {slow} not on the device" if slow else ready, "green")


def preflight_document(found: Preflight) -> dict[str, Any]:
    """``porter preflight``.

    Keys: ``target``, ``config``, ``versions`` (package -> version), ``ready``, ``types``
    (a number), ``unknown`` (types that were not looked into), ``operators`` (each ``op``,
    ``where``, ``reason``, ``names``, ``users``, ``rule``).
    """
    return {
        "target": found.target,
        "config": found.config,
        "versions": dict(found.versions),
        "ready": found.ready,
        "types": found.types,
        "unknown": list(found.unknown),
        "operators": [
            {**vars(need), "names": list(need.names), "users": list(need.users)}
            for need in found.needs
        ],
    }
