"""One file, looked at: what a worker does."""

from __future__ import annotations

import ast
import warnings
from dataclasses import dataclass

from porter.audit.code import Code
from porter.audit.facts import Edited, Facts
from porter.audit.judge import Judge
from porter.audit.model import Finding
from porter.audit.sites import Finder, may_have_sites
from porter.audit.stages import stage_of
from porter.audit.suppress import Comment, comments
from porter.audit.text import NAMES, SUFFIXES, text_sites
from porter.errors import PlanError
from porter.find.source import SourceFile


@dataclass(frozen=True)
class Work:
    """A file to look at.

    Attributes:
        path: Relative to the package's project; ``shown`` is relative to the audited folder.
        edited: Lines that rules wrote.
        guarded: Whether the package builds CUDA sources only where there is CUDA.
    """

    package: str
    path: str
    shown: str
    data: bytes
    edited: tuple[Edited, ...] = ()
    guarded: bool = True


@dataclass(frozen=True)
class Spot:
    """A finding, and the bytes of the file that it stands for."""

    finding: Finding
    start: int
    end: int


@dataclass(frozen=True)
class Looked:
    """What came of one file; ``problem`` says why it could not be read as Python."""

    spots: tuple[Spot, ...] = ()
    comments: tuple[Comment, ...] = ()
    problem: str = ""


def is_of_interest(path: str, data: bytes, facts: Facts) -> bool:
    """Whether a file can have findings: by its kind, and by a few words."""
    if path.endswith(".py"):
        return may_have_sites(data, facts) or b"porter:" in data
    return path.endswith(SUFFIXES) or path.rpartition("/")[2] in NAMES


def look(work: Work, facts: Facts) -> Looked:
    """All that is found in a file."""
    found = tuple(comments(work.shown, work.data))
    if not work.path.endswith(".py"):
        return Looked(tuple(_text_spots(work, facts)), found)
    try:
        with warnings.catch_warnings():
            # Upstream's odd escapes are not what is asked here.
            warnings.simplefilter("ignore")
            return Looked(tuple(_python_spots(work, facts)), found)
    except (PlanError, RecursionError) as problem:
        return Looked((), found, str(problem))


def _python_spots(work: Work, facts: Facts) -> list[Spot]:
    source = SourceFile(work.path, work.data)
    code = Code(source)
    sites = Finder(code, facts).sites()
    verdicts = Judge(code, facts, work.edited).verdicts(sites)
    lines = work.data.split(b"\n")
    spots = []
    for site, verdict in zip(sites, verdicts):
        line, column = _position(site.node)
        names = [function.name for function in code.functions(site.node)]
        finding = Finding(
            path=work.shown,
            line=line,
            column=column,
            package=work.package,
            kind=site.kind,
            cls=verdict.cls,
            stage=stage_of(work.path, names),
            symbol=site.symbol,
            code=_shown(lines, line),
            reason=verdict.reason,
            rule=verdict.rule,
            used=tuple(
                sorted({node.lineno for node in site.used if hasattr(node, "lineno")} - {line})
            ),
        )
        spots.append(Spot(finding, source.names.start(site.node), source.names.end(site.node)))
    return spots


def _position(node: ast.AST) -> tuple[int, int]:
    """Where a reader looks for a node: at the end of a chain of calls on several lines."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        end = node.func.end_lineno or node.lineno
        if end != node.lineno:
            return end, max(1, (node.func.end_col_offset or 0) - len(node.func.attr) + 1)
    return int(getattr(node, "lineno", 1)), int(getattr(node, "col_offset", 0)) + 1


def _text_spots(work: Work, facts: Facts) -> list[Spot]:
    lines = work.data.split(b"\n")
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    return [
        Spot(
            Finding(
                path=work.shown,
                line=site.line,
                column=site.column,
                package=work.package,
                kind=site.kind,
                cls=site.verdict.cls,
                stage=stage_of(work.path, []),
                symbol=site.symbol,
                code=_shown(lines, site.line),
                reason=site.verdict.reason,
                rule=site.verdict.rule,
            ),
            starts[site.line - 1] + site.column - 1,
            starts[site.line - 1] + site.column - 1 + len(site.symbol),
        )
        for site in text_sites(work.path, work.data, facts, work.guarded)
    ]


def _shown(lines: list[bytes], number: int) -> str:
    if number > len(lines):
        return ""
    return lines[number - 1].decode("utf-8", "replace").strip()[:160]
