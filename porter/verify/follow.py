"""Telling, while a training runs, of each step that it records."""

from __future__ import annotations

from collections.abc import Sequence

from porter.verify.launch.process import Launch, train
from porter.verify.model import Step
from porter.verify.records import record_path, tail
from porter.verify.watch import Watcher


def train_and_follow(launch: Launch, watch: Watcher, stage: str, known: Sequence[Step] = ()) -> int:
    """Run a training to its end, and tell of the steps of this machine's first rank.

    Args:
        known: Steps of a baseline, to tell how far the losses are from them.

    Returns:
        The exit code; negative for a signal.
    """
    growing = tail(record_path(launch.out, launch.ranks.local[0]))

    def follow() -> None:
        for step in growing.read():
            watch.advance(stage, step.number, _note(step, known))

    return train(launch, follow)


def _note(step: Step, known: Sequence[Step]) -> str:
    loss = step.losses.get("loss", float("nan"))
    note = f"loss {loss:.4f}  {step.seconds:.2f} s/step"
    if step.number <= len(known):
        expected = known[step.number - 1].losses.get("loss", float("nan"))
        note += f"  difference {loss - expected:+.1e}"
    return note
