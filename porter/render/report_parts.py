"""The sections of the report: what each shows, as HTML."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from porter.render import plots
from porter.render.curves import Curve, counter_curves, gradient_curve, loss_curves, ranks_of
from porter.render.markup import Cell, code, name, number, paragraph, table, text, words
from porter.render.shapes import HEADERS, shape_rows
from porter.render.verdict import chip_words, step_seconds, vendor_words, where
from porter.verify.judging.words import number as digits
from porter.verify.judging.words import percent
from porter.verify.model import Check, Outcome, Rank, Run, Verification

#: How many parameters are shown of those whose norms differ most.
_PARAMETERS = 8
_WIDE = (9.0, 5.2)
_BADGES: dict[Outcome, str] = {
    "pass": "pass",
    "fail": "fail",
    "inconclusive": "inconclusive",
    "unasked": "not asked",
}


@dataclass(frozen=True)
class Section:
    """One section; ``anchor`` is what links name it by."""

    anchor: str
    title: str
    html: str


def sections(verification: Verification) -> list[Section]:
    """All that have something to show, in order."""
    found = [
        Section("verdict", "Verdict", _verdict(verification)),
        Section("losses", "Losses", _losses(verification)),
        Section("gradients", "Gradients and updates", _gradients(verification)),
        Section("chip", "Work of the chip", _chip(verification)),
        Section("compared", "What was compared", _compared(verification)),
        Section("environment", "Environment", _environment(verification)),
        Section("failures", "How runs ended early", _failures(verification)),
        Section("repeat", "To repeat it", f"<pre>{text(verification.command)}</pre>"),
    ]
    return [section for section in found if section.html]


def _verdict(verification: Verification) -> str:
    verdict = verification.verdict
    headers = (name("Check"), number("Figure"), number("Limit"), words("Outcome"), words("Detail"))
    parts = [table(headers, map(_check, verdict.checks))]
    if verdict.vendor:
        parts.append(paragraph(vendor_words(verdict.vendor)))
    return "\n".join(parts)


def _check(check: Check) -> tuple[Cell, ...]:
    badge = f'<span class="badge {check.outcome}">{_BADGES[check.outcome]}</span>'
    detail = Cell(text(check.detail), "detail")
    return name(check.name), number(check.value), number(check.limit), Cell(badge, "name"), detail


def names_of(verification: Verification) -> tuple[str, str]:
    """What plots call the two sides."""
    return "upstream on the CPU", f"port on {where(verification)}"


def _losses(verification: Verification) -> str:
    """The first rank's plots; those of other ranks are folded."""
    found: list[str] = []
    for rank in ranks_of(verification):
        curves = loss_curves(verification, rank)
        if curves and not found:
            found.append(_total(verification, rank, curves[0]) + _parts(verification, curves[1:]))
        elif curves:
            plot = _total(verification, rank, curves[0])
            found.append(f"<details><summary>Rank {rank}</summary>{plot}</details>")
    return "\n".join(found)


def _total(verification: Verification, rank: int, curve: Curve) -> str:
    limit, names = verification.verdict.thresholds.mean, names_of(verification)
    label = f"The total loss of rank {rank} by step on both sides, and their relative difference."
    return _figure(plots.svg(plots.comparison(curve, limit, names), _WIDE, f"loss-{rank}", label))


def _parts(verification: Verification, curves: Sequence[Curve]) -> str:
    if not curves:
        return ""
    size = (_WIDE[0], 2.1 * plots.rows(len(curves)))
    draw = plots.grid(curves, names_of(verification))
    return _figure(plots.svg(draw, size, "parts", "Each part of the loss by step on both sides."))


def _figure(html: str) -> str:
    return f"<figure>{html}</figure>"


def _gradients(verification: Verification) -> str:
    ranks = ranks_of(verification)
    if not ranks:
        return ""
    curve = gradient_curve(verification, ranks[0])
    limit, names = verification.verdict.thresholds.grad_norm, names_of(verification)
    label = "The norm over all gradients by step on both sides, and their relative difference."
    plot = plots.svg(plots.comparison(curve, limit, names), _WIDE, "gradients", label)
    return _figure(plot) + "\n".join(_parameters(verification, ranks[0]))


def _parameters(verification: Verification, rank: int) -> Iterator[str]:
    ours, theirs = (
        next(one for one in run.ranks if one.rank == rank)
        for run in (verification.baselines[0], verification.ported)
    )
    yield _norms("Gradients in the first step", ours.gradients, theirs.gradients)
    yield _norms("Updates over all steps", _updates(ours), _updates(theirs))


def _updates(rank: Rank) -> Mapping[str, float]:
    return rank.end.updates if rank.end else {}


def _norms(title: str, ours: Mapping[str, float], theirs: Mapping[str, float]) -> str:
    """A sentence where all norms are equal, else a table of those that differ most."""
    names = sorted({*ours, *theirs})
    if not (ours and theirs):
        return ""
    rows = [(_gap(ours.get(n, 0.0), theirs.get(n, 0.0)), n) for n in names]
    differing = sorted((row for row in rows if row[0]), key=lambda row: (-row[0], row[1]))
    head = f"<h3>{text(title)}</h3>"
    if not differing:
        return head + paragraph(f"The norms of all {len(names)} parameters are equal.")
    shown = [
        (
            code(n),
            number(digits(ours.get(n, 0.0))),
            number(digits(theirs.get(n, 0.0))),
            number(percent(gap)),
        )
        for gap, n in differing[:_PARAMETERS]
    ]
    headers = (words("Parameter"), number("Upstream"), number("Port"), number("Difference"))
    left = paragraph(f"{len(differing)} of {len(names)} norms differ; these most.")
    return head + left + table(headers, shown)


def _gap(ours: float, theirs: float) -> float:
    larger = max(ours, theirs)
    return 0.0 if ours == theirs else abs(ours - theirs) / larger if larger else float("inf")


def _chip(verification: Verification) -> str:
    ranks = ranks_of(verification)
    curves = counter_curves(verification, ranks[0]) if ranks else []
    if not curves:
        return ""
    run = next(one for one in verification.ported.ranks if one.rank == ranks[0])
    counted = [step.counters for step in run.steps if step.counters]
    label = "Operators, dynamic shapes, waits of the host and new signatures in each step."
    plot = plots.svg(plots.counts(curves), (_WIDE[0], 4.2), "counters", label)
    return paragraph(chip_words(counted)) + _shapes(verification) + _figure(plot)


def _shapes(verification: Verification) -> str:
    rows = [(words(what), number(a), number(b)) for what, a, b in shape_rows(verification)]
    headers = (words(HEADERS[0]), number(HEADERS[1]), number(HEADERS[2]))
    return table(headers, rows) if rows else ""


def _compared(verification: Verification) -> str:
    settings = {key: _setting(value) for key, value in asdict(verification.settings).items()}
    packages = table(
        (words("Package"), words("Version")),
        [(words(package), code(version)) for package, version in verification.versions.items()],
    )
    digests = table(
        (words("Of"), words("SHA-256")),
        [(name(of), code(digest)) for of, digest in sorted(verification.digests.items())],
    )
    return "\n".join(
        [
            packages,
            "<h3>Digests</h3>",
            digests,
            "<h3>Settings</h3>",
            _pairs("Setting", settings),
        ]
    )


def _setting(value: object) -> str:
    """As a person would say it: no None, no True; tables as JSON."""
    if isinstance(value, str):
        return value
    if value is None or value == {}:
        return "not given"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return json.dumps(value, sort_keys=True, default=str)


def _pairs(header: str, values: Mapping[str, str]) -> str:
    rows = [(name(key.replace("_", " ")), code(value)) for key, value in values.items()]
    return table((words(header), words("Value")), rows)


def _environment(verification: Verification) -> str:
    ours, theirs = map(_told, (verification.baselines[0], verification.ported))
    ours["seconds a step"], theirs["seconds a step"] = (
        f"{step_seconds(run):.3f}" for run in (verification.baselines[0], verification.ported)
    )
    rows = [
        (name(key), words(ours.get(key, "")), words(theirs.get(key, "")))
        for key in dict.fromkeys((*ours, *theirs))
    ]
    return table((words("Name"), words("Upstream"), words("Port")), rows)


def _told(run: Run) -> dict[str, str]:
    start = next((rank.start for rank in run.ranks if rank.start), None)
    return dict(start.environment) if start else {}


def _failures(verification: Verification) -> str:
    runs = (*verification.baselines, verification.ported, *verification.repeats)
    found = [(rank.rank, rank.failure) for run in runs for rank in run.ranks if rank.failure]
    return "\n".join(
        f"<h3>Rank {rank}: {text(failure.kind)}</h3>{paragraph(failure.message)}"
        f"<pre>{text(failure.trace)}</pre>"
        for rank, failure in found
    )
