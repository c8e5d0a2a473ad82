"""A verification as one JSON document: canonical, so that two of them can be compared.

What differs from machine to machine or from run to run (times, memory, versions of libraries,
paths) stands under the one key ``machine``; all the rest is the same for the same result, byte
by byte. Numbers that JSON lacks are the strings ``NaN``, ``Infinity`` and ``-Infinity``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import porter
from porter.verify.model import Rank, Run, Step, Verdict, Verification

#: Raised when a key changes its meaning.
FORMAT = 1


def report_text(verification: Verification) -> str:
    """``report.json``: sorted keys, a line end after the last."""
    document = _plain(report_document(verification))
    return (
        json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
    )


def report_document(verification: Verification) -> dict[str, Any]:
    """``porter verify --json`` and ``report.json``.

    Keys: ``format``, ``porter`` (its version), ``target``, ``chip``, ``device``, ``backend``,
    ``place``, ``amp``, ``settings``, ``versions``, ``digests``, ``notes``; ``outcome``,
    ``checks``, ``vendor_rule``, ``thresholds``, ``changed_thresholds``, ``noise``; ``runs``
    (``baselines``, ``ported``, ``repeats``, with every step; ``counted``, where upstream's
    operators were counted); ``machine`` (``command``, and for
    each run ``environment``, ``seconds`` and ``memory`` of each step, ``cached``, ``failures``).
    """
    v = verification
    runs = {"baselines": v.baselines, "ported": (v.ported,), "repeats": v.repeats}
    if v.counted:
        runs["counted"] = (v.counted,)
    return {
        "format": FORMAT,
        "porter": porter.__version__,
        "target": v.target,
        "chip": v.chip,
        "device": v.device,
        "backend": v.backend,
        "place": v.ported.place,
        "amp": v.amp,
        "settings": asdict(v.settings),
        "versions": dict(v.versions),
        "digests": dict(v.digests),
        "notes": list(v.notes),
        **_verdict(v.verdict),
        "runs": {name: [_run(run) for run in found] for name, found in runs.items()},
        "machine": {
            "command": v.command,
            **{name: [_machine(run) for run in found] for name, found in runs.items()},
        },
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "outcome": verdict.outcome,
        "checks": [asdict(check) for check in verdict.checks],
        "vendor_rule": asdict(verdict.vendor) if verdict.vendor else None,
        "thresholds": asdict(verdict.thresholds),
        "changed_thresholds": list(verdict.loosened),
        "noise": dict(verdict.noise),
    }


def _run(run: Run) -> dict[str, Any]:
    return {
        "place": run.place,
        "device": run.device,
        "amp": run.amp,
        "resumed": run.resumed,
        "ranks": [_rank(rank) for rank in run.ranks],
    }


def _rank(rank: Rank) -> dict[str, Any]:
    return {
        "rank": rank.rank,
        "start": _without(asdict(rank.start), "environment") if rank.start else None,
        "steps": [_without(asdict(step), "seconds", "memory") for step in rank.steps],
        "gradients": dict(rank.gradients),
        "sketches": dict(rank.sketches),
        "end": _without(asdict(rank.end), "logged_memory") if rank.end else None,
        "failure": rank.failure.kind if rank.failure else None,
    }


def _machine(run: Run) -> dict[str, Any]:
    return {
        "cached": run.cached,
        "environment": {str(r.rank): dict(r.start.environment) for r in run.ranks if r.start},
        "seconds": {str(r.rank): [_seconds(step) for step in r.steps] for r in run.ranks},
        "memory": {str(r.rank): [step.memory for step in r.steps] for r in run.ranks},
        "failures": {str(r.rank): asdict(r.failure) for r in run.ranks if r.failure},
    }


def _seconds(step: Step) -> float:
    return round(step.seconds, 4)


def _without(values: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in names}


def _plain(value: Any) -> Any:
    """The value as JSON has it: finite numbers, lists, tables with text as keys."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
