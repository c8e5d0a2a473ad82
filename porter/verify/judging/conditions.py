"""Whether two runs may be compared at all: whole, and from the same weights, data and schedule."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from porter.verify.judging.asked import Asked, checked
from porter.verify.judging.compare import Pair, common_steps, is_loss, pair_ranks
from porter.verify.judging.words import of_rank, some
from porter.verify.model import Check, Rank, Run, Start, Step, failures

#: Learning rates are computed alike on both sides; only their last bits may differ.
_SAME_RATE = 1e-6


def conditions(asked: Asked, baseline: Run, ported: Run) -> tuple[Check, ...]:
    """Without all of these there is nothing to compare; each that does not hold is a failure."""
    pairs = pair_ranks(baseline, ported)
    return (
        ended(asked, ported),
        all_steps(asked, ported),
        checked("same initial weights", _weights(pairs)),
        checked("same data order", _data(pairs)),
        checked("same schedule", _schedules(pairs)),
        checked("same losses", _names(pairs)),
    )


def ended(asked: Asked, run: Run) -> Check:
    """Every rank is there and came to its end."""
    return checked("came to its end", _endings(asked, run))


def _endings(asked: Asked, run: Run) -> Iterator[str]:
    wanted, found = list(asked.local), sorted(rank.rank for rank in run.ranks)
    missing = [str(number) for number in wanted if number not in found]
    if missing:
        yield f"No record of rank {some(missing)}."
    elif found != wanted:
        there = some([str(number) for number in found], 8)
        yield f"Ranks {there} are there, {len(wanted)} were asked for."
    for rank, failure in failures(run.ranks):
        lines = failure.message.strip().splitlines() or [""]
        who = of_rank(rank.rank, asked.world)
        yield f"{who}after step {_last(rank)}: {failure.kind}: {lines[0]}"
    for rank in run.ranks:
        if not rank.failure and (rank.start is None or rank.end is None):
            who = of_rank(rank.rank, asked.world)
            yield f"{who}the record stops after step {_last(rank)}."


def _last(rank: Rank) -> int:
    return rank.steps[-1].number if rank.steps else 0


def all_steps(asked: Asked, run: Run) -> Check:
    """The steps are 1, 2, ... up to the last that was asked for, on every rank."""
    found = min((len(rank.steps) for rank in run.ranks), default=0)
    return checked("all steps", _gaps(asked, run), value=str(found), limit=str(asked.steps))


def _gaps(asked: Asked, run: Run) -> Iterator[str]:
    wanted = list(range(1, asked.steps + 1))
    for rank in run.ranks:
        found = [step.number for step in rank.steps]
        who = of_rank(rank.rank, asked.world)
        missing = [str(number) for number in wanted if number not in set(found)]
        extra = [str(number) for number in found if number not in set(wanted)]
        if missing:
            yield f"{who}missing: {some(missing)}."
        elif extra:
            yield f"{who}more than was asked for: {some(extra)}."
        elif found != wanted:
            yield f"{who}out of order: {some([str(number) for number in found], 8)}."


def _weights(pairs: Sequence[Pair]) -> Iterator[str]:
    for ours, theirs in pairs:
        if not (ours.start and theirs.start):
            yield "They are not known."
        elif ours.start.weights != theirs.start.weights:
            yield f"{of_rank(theirs.rank, len(pairs))}the weights before the first step differ."


def _data(pairs: Sequence[Pair]) -> Iterator[str]:
    for pair in pairs:
        who = of_rank(pair[1].rank, len(pairs))
        differing = [str(a.number) for a, b in common_steps(pair) if a.data != b.data]
        if differing:
            yield f"{who}other images or boxes in step {some(differing)}."


def _schedules(pairs: Sequence[Pair]) -> Iterator[str]:
    for pair in pairs:
        who = of_rank(pair[1].rank, len(pairs))
        ours, theirs = pair[0].start, pair[1].start
        if ours and theirs and ours.schedule != theirs.schedule:
            yield f"{who}optimizer, schedule or loop are configured differently."
        if ours and theirs:
            yield from (f"{who}{problem}" for problem in _optimizers(ours, theirs))
        differing = [str(a.number) for a, b in common_steps(pair) if not _same_rates(a, b)]
        if differing:
            yield f"{who}another learning rate in step {some(differing)}."


def _optimizers(ours: Start, theirs: Start) -> Iterator[str]:
    """What the optimizers really have, which need not be what was configured."""
    if not (ours.optimizer and theirs.optimizer):
        return
    for name in sorted({*ours.optimizer, *theirs.optimizer}):
        here, there = ours.optimizer.get(name, "none"), theirs.optimizer.get(name, "none")
        if here != there:
            yield f"the optimizer's {name} has {there}; upstream's {here}."


def _same_rates(one: Step, other: Step) -> bool:
    return len(one.lr) == len(other.lr) and all(
        math.isclose(a, b, rel_tol=_SAME_RATE) for a, b in zip(one.lr, other.lr, strict=True)
    )


def _names(pairs: Sequence[Pair]) -> Iterator[str]:
    for pair in pairs:
        for ours, theirs in common_steps(pair):
            missing, extra = (
                set(ours.losses) - set(theirs.losses),
                set(theirs.losses) - set(ours.losses),
            )
            where = f"{of_rank(pair[1].rank, len(pairs))}step {ours.number}"
            if missing:
                yield f"{where}: the port has no {some(sorted(missing))}."
            if extra:
                yield f"{where}: only the port has {some(sorted(extra))}."


def finite(baseline: Run, ported: Run) -> Check:
    """No loss, gradient or update of the port is NaN or infinite."""
    found = [problem for rank in ported.ranks for problem in _not_finite(rank, baseline, ported)]
    return checked(
        "NaN or infinite", found, value=str(len(found)) if found else "none", limit="none"
    )


def _not_finite(rank: Rank, baseline: Run, ported: Run) -> Iterator[str]:
    who = of_rank(rank.rank, len(ported.ranks))
    upstream = {s.number: s for one in baseline.ranks if one.rank == rank.rank for s in one.steps}
    for step in rank.steps:
        for name in _odd(step, upstream.get(step.number)):
            yield f"{who}step {step.number}: {name} is not finite."
    overflowed = ported.amp and bool(rank.steps) and rank.steps[0].skipped
    norms = {} if overflowed else rank.gradients
    for words, found in (("gradient", norms), ("update", rank.end.updates if rank.end else {})):
        for name, norm in found.items():
            if not math.isfinite(norm):
                yield f"{who}the {words} of {name} is not finite."


def _odd(step: Step, upstream: Step | None) -> Iterator[str]:
    """Names of what is not finite; entries for the log may be so if upstream's are."""
    for name, value in step.losses.items():
        usual = upstream is not None and not math.isfinite(upstream.losses.get(name, 0.0))
        if not math.isfinite(value) and (is_loss(name) or not usual):
            yield name
    # Gradients that overflow are why AMP's scaler leaves out an update.
    if not math.isfinite(step.grad_norm) and not (step.skipped and step.loss_scale is not None):
        yield "the gradient norm"
