"""Whether the run was what it was said to be: on the device, in mixed precision, distributed."""

from __future__ import annotations

from collections.abc import Iterator

from porter.verify.judging.asked import Asked, checked
from porter.verify.judging.compare import pair_ranks
from porter.verify.judging.words import of_rank, percent, some
from porter.verify.model import Check, Rank, Run, Step

#: Of the convolution and linear modules, how many must give half precision under AMP. Models
#: keep some heads in float32, as upstream has it.
MOST = 0.5
#: Updates that AMP's scaler may leave out, as a share; it begins with a scale that is too large.
SKIPPED = 0.5
#: In fewer steps than this the scaler may not yet have found its scale.
SCALE_FOUND = 20


def evidence(asked: Asked, baseline: Run, ported: Run) -> tuple[Check, ...]:
    """The checks of what ran, and where."""
    return (
        checked(
            "parameters on the device", _placed(asked, baseline, ported), value=_places(ported)
        ),
        _operators(asked, ported),
        _initialized(asked, baseline, ported),
        *_logged_memory(asked, ported),
        *_precision(asked, ported),
        *_distributed(asked, baseline, ported),
    )


def _places(ported: Run) -> str:
    places = sorted({place for rank in ported.ranks for s in rank.steps for place in s.devices})
    return f"{len(places)} devices" if len(places) > 1 else some(places)


def _placed(asked: Asked, baseline: Run, ported: Run) -> Iterator[str]:
    counts = {sum(step.devices.values()) for rank in baseline.ranks for step in rank.steps}
    for who, step in _steps(ported):
        where = f"{who}step {step.number}"
        strays = [place for place in step.devices if place.split(":")[0] != asked.device]
        if strays:
            stray = sum(step.devices[place] for place in strays)
            yield f"{where}: {stray} of {sum(step.devices.values())} are on {some(sorted(strays))}."
        elif not sum(step.devices.values()):
            yield f"{where}: no parameter is recorded."
        elif len(counts) == 1 and sum(step.devices.values()) not in counts:
            yield f"{where}: {sum(step.devices.values())} parameters, upstream has {min(counts)}."


def _steps(run: Run) -> Iterator[tuple[str, Step]]:
    for rank in run.ranks:
        who = of_rank(rank.rank, len(run.ranks))
        yield from ((who, step) for step in rank.steps)


def _operators(asked: Asked, ported: Run) -> Check:
    name = "operators ran there"
    steps = list(_steps(ported))
    if asked.place == "cpu":
        return Check(name, "unasked", detail="On the host there is no device to run on.")
    if asked.place == "sim":
        calls = [step.counters.op_calls if step.counters else 0 for _, step in steps]
        idle = (f"{who}step {s.number}: no operator." for (who, s), n in zip(steps, calls) if not n)
        value = f"{min(calls):,} a step or more" if calls else ""
        return checked(name, idle, value=value, limit="> 0")
    held = [step.memory for _, step in steps]
    if not any(held):
        return Check(name, "unasked", detail="The chip's plugin does not tell its memory.")
    empty = (f"{who}step {s.number}: no memory held." for who, s in steps if not s.memory)
    return checked(name, empty, value="memory is held", limit="yes")


def _initialized(asked: Asked, baseline: Run, ported: Run) -> Check:
    """That left to itself the port would begin with upstream's weights."""
    name = "initializes alike"
    pairs = [(a.start, b.start) for a, b in pair_ranks(baseline, ported)]
    if asked.place == "real":
        return Check(name, "unasked", detail="A chip draws random numbers of its own.")
    if not all(ours and theirs and ours.own and theirs.own for ours, theirs in pairs):
        return Check(name, "unasked", detail="It was not recorded.")
    problems = (
        "Its own initial weights are not upstream's; both were given the same ones to compare."
        for ours, theirs in pairs
        if ours and theirs and ours.own != theirs.own
    )
    return checked(name, problems)


def _logged_memory(asked: Asked, ported: Run) -> tuple[Check, ...]:
    """That the tree's own log tells how much memory the device holds, where the chip knows it."""
    if asked.place == "cpu" or not asked.tells_memory:
        return ()
    found = [rank.end.logged_memory for rank in ported.ranks if rank.end]
    known = [megabytes for megabytes in found if megabytes is not None]
    problems = ["The log has no column for the device's memory."] if len(known) < len(found) else []
    if not problems and not all(known):
        problems = ["The log says that the device holds no memory."]
    value = f"{min(known):.0f} MB or more" if known and not problems else ""
    return (checked("memory in the log", problems, value=value, limit="> 0 MB"),)


def _precision(asked: Asked, ported: Run) -> tuple[Check, ...]:
    if not asked.amp:
        return (checked("AMP off", _unasked_amp(ported)),)
    lowest = min((_share(step) for _, step in _steps(ported)), default=0.0)
    return (
        checked(
            "AMP on",
            _no_amp(asked, ported),
            value=f"{percent(lowest)} half",
            limit=f">= {percent(MOST)}",
        ),
        _updates(ported),
    )


def _is_amp(wrapper: str) -> bool:
    """Whether mmengine's optimizer wrapper, or mmcv's optimizer hook, is one for half precision."""
    return wrapper.startswith(("Amp", "Fp16"))


def _share(step: Step) -> float:
    return step.low_precision / step.modules if step.modules else 0.0


def _unasked_amp(ported: Run) -> Iterator[str]:
    for rank in ported.ranks:
        if rank.start and (_is_amp(rank.start.wrapper) or rank.start.scaler):
            yield f"The optimizer wrapper is {rank.start.wrapper}."
    for who, step in _steps(ported):
        if step.low_precision:
            yield f"{who}step {step.number}: {step.low_precision} modules gave half precision."


def _no_amp(asked: Asked, ported: Run) -> Iterator[str]:
    for rank in ported.ranks:
        if rank.start and not _is_amp(rank.start.wrapper):
            yield f"The optimizer wrapper is {rank.start.wrapper}."
        if rank.start and asked.amp_dtype == "float16" and not rank.start.scaler:
            yield "The gradient scaler is disabled: it does not know the device."
    for who, step in _steps(ported):
        if _share(step) < MOST:
            yield (
                f"{who}step {step.number}: {step.low_precision} of {step.modules} "
                "convolution and linear modules gave half precision."
            )


def _updates(ported: Run) -> Check:
    """That AMP's scaler let updates through."""
    skipped = max((sum(s.skipped for s in rank.steps) for rank in ported.ranks), default=0)
    steps = max((len(rank.steps) for rank in ported.ranks), default=0)
    value, limit = f"{skipped} of {steps} left out", f"<= {percent(SKIPPED)}"
    if skipped <= SKIPPED * steps:
        return Check("updates made", "pass", value, limit)
    if steps < SCALE_FOUND:
        detail = f"The loss scale may still be falling; train {SCALE_FOUND} steps or more."
        return Check("updates made", "inconclusive", value, limit, detail)
    detail = "The gradients overflow: the scaler leaves out most updates."
    return Check("updates made", "fail", value, limit, detail)


def _distributed(asked: Asked, baseline: Run, ported: Run) -> tuple[Check, ...]:
    if asked.world == 1:
        return ()
    names = sorted({rank.start.backend for rank in ported.ranks if rank.start})
    return (
        checked(
            "communication", _backends(asked, ported), value=some(names), limit=_backend(asked)
        ),
        checked("a device for each rank", _shared(asked, ported), value=_places(ported)),
        _replicas(baseline, ported),
    )


def _backend(asked: Asked) -> str:
    return asked.backend if asked.place != "cpu" else ""


def _backends(asked: Asked, ported: Run) -> Iterator[str]:
    for rank in ported.ranks:
        used = rank.start.backend if rank.start else ""
        if not used:
            yield f"Rank {rank.rank} is in no process group."
        elif asked.place != "cpu" and used != asked.backend:
            yield f"Rank {rank.rank} communicates over {used}, not over {asked.backend}."


def _shared(asked: Asked, ported: Run) -> Iterator[str]:
    """Two ranks on one device, where the machine has enough for all."""
    if asked.place == "cpu" or asked.devices < asked.ranks:
        return
    taken: dict[str, int] = {}
    for rank in ported.ranks:
        for place in _own(rank):
            if taken.setdefault(place, rank.rank) != rank.rank:
                yield f"Ranks {taken[place]} and {rank.rank} are both on {place}."


def _own(rank: Rank) -> list[str]:
    return sorted({place for step in rank.steps for place in step.devices})


def _replicas(baseline: Run, ported: Run) -> Check:
    """That all ranks hold the same weights at the end."""
    name = "ranks end alike"
    if _alike(ported):
        return Check(name, "pass")
    if not _alike(baseline):
        return Check(name, "unasked", detail="Upstream's ranks end with weights that differ, too.")
    return Check(name, "fail", detail="The ranks' weights differ: gradients are not averaged.")


def _alike(run: Run) -> bool:
    ends = [rank.end for rank in run.ranks]
    return len({end.parameters or end.weights if end else "" for end in ends}) == 1
