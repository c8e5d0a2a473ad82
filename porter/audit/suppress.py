"""Findings that somebody accepts: by a comment in the line, or in a file, with a reason."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from importlib.resources import files
from pathlib import Path

from porter.audit.model import KINDS, Finding, Suppression
from porter.errors import RuleFileError, UsageError
from porter.rulebook.tomlfile import Table, read_toml

#: ``# porter: ignore[kind, kind] reason``, in the line or alone in the line above.
_COMMENT = re.compile(rb"(?:#|//)\s*porter:\s*ignore\[([\w*, -]+)\][ \t]*(.*?)\s*(?:\*/)?\s*$")
_WORD = b"porter:"


@dataclass(frozen=True)
class Comment:
    """A comment that accepts findings of some kinds in some lines.

    Attributes:
        line: Where it stands; ``lines`` are those it speaks of.
    """

    path: str
    line: int
    lines: tuple[int, ...]
    kinds: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Entry:
    """An entry of a file that accepts findings; empty or ``*`` stands for any.

    Attributes:
        shipped: Whether it is porter's own, which need not meet anything, and accepts only
            what is open and no rule mends.
    """

    where: str
    path: str
    kind: str
    symbol: str
    reason: str
    shipped: bool = False


def comments(path: str, data: bytes) -> list[Comment]:
    """The comments of a file that accept findings."""
    if _WORD not in data:
        return []
    found = []
    for number, line in enumerate(data.split(b"\n"), start=1):
        match = _COMMENT.search(line)
        if match:
            alone = not line[: match.start()].strip()
            lines = (number, number + 1) if alone else (number,)
            kinds = tuple(k.strip() for k in match[1].decode("utf-8", "replace").split(","))
            reason = match[2].decode("utf-8", "replace")
            found.append(Comment(path, number, lines, kinds, reason))
    return found


def read_entries(path: Path, *, shipped: bool = False) -> list[Entry]:
    """The entries of a TOML file of ``[[ignore]]`` tables.

    Raises:
        UsageError: The file cannot be read, or an entry has no reason or names no kind there is.
    """
    try:
        _, values = read_toml(path, RuleFileError)
        table = Table(values, path, "", RuleFileError)
        entries = [
            _entry(item, path, number, shipped)
            for number, item in enumerate(table.tables("ignore"), 1)
        ]
        table.close()
    except RuleFileError as problem:
        raise UsageError(f"--ignore {problem.message}", hint=problem.hint) from problem
    return entries


def shipped_entries() -> list[Entry]:
    """What porter itself accepts in upstream's packages, each with its reason."""
    return read_entries(Path(str(files("porter.audit").joinpath("accepted.toml"))), shipped=True)


def _entry(table: Table, path: Path, number: int, shipped: bool) -> Entry:
    kind = table.checked(
        "kind", lambda k: k == "*" or k in KINDS, f"one of {', '.join(KINDS)}", "*"
    )
    entry = Entry(
        where=f"{path.name}, entry {number}",
        path=table.text("path", "*"),
        kind=kind,
        symbol=table.text("symbol", "*"),
        reason=table.checked("reason", lambda text: len(text.strip()) >= 8, "a reason in words"),
        shipped=shipped,
    )
    table.close()
    return entry


def accept(
    findings: Iterable[Finding], found: Sequence[Comment], entries: Sequence[Entry]
) -> tuple[list[Finding], list[Suppression], list[Suppression]]:
    """The findings with what accepts them, the suppressions that met nothing, and the void ones.

    A comment without a reason is void: it accepts nothing, and is told.
    """
    by_line: dict[tuple[str, int], list[Comment]] = {}
    for comment in found:
        for line in comment.lines:
            by_line.setdefault((comment.path, line), []).append(comment)
    met: set[object] = set()
    judged = []
    for finding in findings:
        for cause in _causes(finding, by_line, entries):
            met.add(cause)
            if cause.reason and not finding.accepted:
                finding = replace(finding, accepted=cause.reason)
        judged.append(finding)
    void = [_told(c) for c in found if not c.reason]
    unused = [_told(c) for c in found if c not in met and c.reason]
    unused += [_told(e) for e in entries if e not in met and not e.shipped]
    return judged, unused, void


def _causes(
    finding: Finding, by_line: dict[tuple[str, int], list[Comment]], entries: Sequence[Entry]
) -> Iterator[Comment | Entry]:
    if finding.cls not in ("open", "fallback"):
        return
    for comment in by_line.get((finding.path, finding.line), []):
        if finding.kind in comment.kinds or "*" in comment.kinds:
            yield comment
    for entry in entries:
        if (
            ((finding.cls == "open" and not finding.rule) or not entry.shipped)
            and entry.kind in ("*", finding.kind)
            and fnmatchcase(finding.path, entry.path)
            and fnmatchcase(finding.symbol, entry.symbol)
        ):
            yield entry


def _told(cause: Comment | Entry) -> Suppression:
    if isinstance(cause, Comment):
        return Suppression(f"{cause.path}:{cause.line}", ", ".join(cause.kinds), cause.reason)
    return Suppression(cause.where, cause.kind, cause.reason)
