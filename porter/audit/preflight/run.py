"""The table of contents of a preflight."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from porter.audit.facts import Edited, Facts, edited_lines, op_of
from porter.audit.files import Spot, Work, look
from porter.audit.preflight.config import Read, read_config, types_in
from porter.audit.preflight.trace import CHOSEN, Definition, Tracer, definition_of
from porter.manifest import FileRecord
from porter.plan import Tree

Where = Literal["native", "vendor build", "PyTorch", "host", "fallback", "missing", "known wrong"]

#: Where an operator runs -> what that means, the worst last.
WHERE: Mapping[Where, str] = {
    "native": "upstream's mmcv has a kernel for the device",
    "vendor build": "the vendor's build of mmcv has a kernel for it",
    "PyTorch": "written in PyTorch alone",
    "host": "works on the host by design",
    "fallback": "no kernel: works on the host or in PyTorch instead, slower",
    "missing": "no kernel and nothing in its place: it will raise",
    "known wrong": "a kernel that is known to give wrong results",
}
_ORDER = list(WHERE)


@dataclass(frozen=True)
class Need:
    """One operator that a config needs.

    Attributes:
        op: The name of its kernel, or of PyTorch's operator.
        names: What `mmcv.ops` exports that leads to it.
        users: The classes and functions that use it.
        rule: The rule that brings it about; empty for none.
    """

    op: str
    where: Where
    reason: str
    names: tuple[str, ...]
    users: tuple[str, ...]
    rule: str = ""


@dataclass(frozen=True)
class Preflight:
    """What a config needs on a target.

    Attributes:
        needs: The worst first.
        types: How many types the config builds.
        unknown: Those that no package here defines.
    """

    target: str
    config: str
    versions: Mapping[str, str]
    needs: tuple[Need, ...]
    types: int
    unknown: tuple[str, ...]

    @property
    def ready(self) -> bool:
        """Whether nothing that it needs is missing or wrong."""
        return all(need.where not in ("missing", "known wrong") for need in self.needs)


def preflight(
    config: str,
    read: Read,
    trees: Mapping[str, Tree],
    facts: Facts,
    records: Mapping[tuple[str, str], FileRecord],
    no_kernel: Iterable[str] = (),
) -> Preflight:
    """The operators that a config needs, and where each would run on the target.

    Args:
        config: Its path, as ``read`` takes it.
        trees: Package -> its tree as it would run.
        records: Package and path -> what a port did to a file.
        no_kernel: PyTorch's operators that the target lacks: ``aten::reflection_pad2d``.

    Raises:
        UsageError: The config or one of its bases cannot be read.
    """
    values = read_config(config, read)
    types = sorted({*types_in(values), *(["SyncBatchNorm"] * (values.get("sync_bn") == "mmcv"))})
    tracer = Tracer(trees, facts, values)
    traced = tracer.follow(types)
    found: dict[str, list[Need]] = {}
    for name, users in sorted(traced.ops.items()):
        for need in _needs(name, users, tracer, facts, records):
            found.setdefault(need.op, []).append(need)
    for name, users in sorted(traced.unused.items()):
        if name not in traced.ops:
            for need in _replaced(name, users, tracer, facts, records):
                found.setdefault(need.op, []).append(need)
    needs = [_joined(group) for group in found.values()]
    needs += _lacking(traced.words, no_kernel, facts)
    needs.sort(key=lambda need: (-_ORDER.index(need.where), need.op))
    return Preflight(
        target=facts.target,
        config=config,
        versions={name: tree.version for name, tree in trees.items()},
        needs=tuple(needs),
        types=len(types),
        unknown=tuple(sorted(traced.unknown)),
    )


def _needs(
    name: str,
    users: Iterable[str],
    tracer: Tracer,
    facts: Facts,
    records: Mapping[tuple[str, str], FileRecord],
) -> Iterator[Need]:
    """The kernels that a name of `mmcv.ops` leads to; PyTorch if it leads to none."""
    spots = []
    for place in tracer.op_places(name):
        spots += list(_op_spots(place, tracer, facts, records))
    named, given = (name,), tuple(sorted(users))
    if not spots and name not in CHOSEN:
        yield Need(name, "PyTorch", "it calls no kernel of mmcv's", named, given)
    for op in sorted({op_of(_kernel(spot)) for spot in spots}):
        own = [spot for spot in spots if op_of(_kernel(spot)) == op]
        worst = max(own, key=lambda spot: _ORDER.index(_where(spot, facts)))
        where = _where(worst, facts)
        yield Need(op, where, worst.finding.reason, named, given, worst.finding.rule)


def _kernel(spot: Spot) -> str:
    return spot.finding.symbol.rpartition(".")[2]


def _where(spot: Spot, facts: Facts) -> Where:
    op = op_of(_kernel(spot))
    match spot.finding.cls:
        case "open":
            return "known wrong" if op in facts.wrong_ops else "missing"
        case "fallback":
            return "fallback"
        case "native" if op not in facts.native_ops and not facts.cuda:
            return "native"
        case "native" | "ported" if op in facts.native_ops or facts.cuda:
            return "native" if op in facts.upstream_ops else "vendor build"
        case "harmless" if "by design" in spot.finding.reason:
            return "host"
    return "fallback"


def _op_spots(
    place: Definition,
    tracer: Tracer,
    facts: Facts,
    records: Mapping[tuple[str, str], FileRecord],
) -> Iterator[Spot]:
    """The calls of kernels that a definition of `mmcv.ops` leads to, in its file and others."""
    todo, seen = [place], {place}
    while todo:
        here = todo.pop()
        code = tracer.code(here.package, here.path)
        node = definition_of(code, here.name) if code else None
        if code is None or node is None:
            continue
        record = records.get((here.package, here.path))
        edited: tuple[Edited, ...] = edited_lines(record)
        data = tracer.trees[here.package].read(here.path)
        first, last = code.source.names.start(node), code.source.names.end(node)
        for spot in look(Work(here.package, here.path, here.path, data, edited), facts).spots:
            if spot.finding.kind == "op" and first <= spot.start < last:
                yield spot
        for inner in ast.walk(node):
            if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Load):
                for origin in tracer.origins(inner, code, here):
                    if origin.path.startswith("mmcv/ops/") and origin not in seen:
                        seen.add(origin)
                        todo.append(origin)


def _replaced(
    name: str,
    users: Iterable[str],
    tracer: Tracer,
    facts: Facts,
    records: Mapping[tuple[str, str], FileRecord],
) -> Iterator[Need]:
    """The kernels of what is named only where the target takes another branch."""
    for need in _needs(name, users, tracer, facts, records):
        if need.where != "PyTorch":
            reason = "the code takes another branch on the target"
            yield replace(need, where="fallback", reason=reason, rule="")


def _joined(needs: Sequence[Need]) -> Need:
    """One entry for an operator that several names lead to: the worst of them."""
    worst = max(needs, key=lambda need: _ORDER.index(need.where))
    return Need(
        worst.op,
        worst.where,
        worst.reason,
        tuple(sorted({name for need in needs for name in need.names})),
        tuple(sorted({user for need in needs for user in need.users})),
        worst.rule,
    )


def _lacking(
    words: Mapping[str, set[str]], no_kernel: Iterable[str], facts: Facts
) -> Iterator[Need]:
    """PyTorch's operators that the target lacks and the code names."""
    for full in sorted(no_kernel):
        op = full.removeprefix("aten::").partition(".")[0]
        if op.endswith("_backward"):
            continue
        camel = "".join(part.capitalize() for part in op.split("_")).replace("Pad", "Pad")
        users = {u for word in (op, camel, camel.replace("2D", "2d")) for u in words.get(word, ())}
        if users:
            reason = f"{facts.target} has no kernel for it"
            yield Need(full, "missing", reason, (), tuple(sorted(users)))
