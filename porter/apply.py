"""The table of contents of a port."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from porter.port.ground import find_ground, usable_folder
from porter.port.request import Outcome, Request
from porter.port.stages import decide_port, plan_port, write_port
from porter.revert import RevertOutcome, revert
from porter.source import Cache, Progress
from porter.write import recover
from porter.write.lock import tree_lock

__all__ = ["Outcome", "Request", "RevertOutcome", "apply", "revert"]


def apply(request: Request, cache: Cache, progress: Progress | None = None) -> Outcome:
    """Port a tree: fetch or find it, plan, and write all of it or nothing.

    Raises:
        PlanError: The rules do not hold on the tree, or break a file.
        SourceError: Pristine bytes cannot be had.
        TreeStateError: The folder is in no state to be ported, or edits could be lost.
        UnsupportedVersion: A package's version has no pin or no rule.
        UsageError: The request contradicts itself.
        WriteError: The disk refused; the tree is as it was.
    """
    into = usable_folder(request.into)
    if request.dry_run:
        return _apply(request, into, cache, progress)
    with tree_lock(into):
        finished = recover(into)
        return _apply(request, into, cache, progress, finished)


def _apply(
    request: Request, into: Path, cache: Cache, progress: Progress | None, finished: bool = False
) -> Outcome:
    seconds: dict[str, float] = {}
    with _timed(seconds, "fetch"):
        ground = find_ground(request, into, cache, progress)
    with _timed(seconds, "plan"):
        port = plan_port(request, ground, cache)
    with _timed(seconds, "write"):
        decision = decide_port(port, ground, request.edits)
        if not request.dry_run:
            write_port(port, ground, decision)
    return Outcome(
        status=decision.status(request.dry_run, finished),
        manifest=port.manifest,
        plan=port.plan,
        seconds=seconds,
        merged=decision.merged,
        finished=finished,
    )


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[name] = time.perf_counter() - start
