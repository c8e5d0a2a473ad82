"""Progress of a verification: one bar a stage on a terminal, a line now and then in a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from porter.render.blocks import is_terminal, terminal_console
from porter.verify.watch import Silent, Watcher

if TYPE_CHECKING:
    from rich.progress import Progress

#: Seconds between two lines of one stage in a pipe.
LINE_SECONDS = 10.0


@contextmanager
def shown_watcher(*, silent: bool) -> Iterator[Watcher]:
    """A watcher that draws on standard error.

    Args:
        silent: Show nothing.
    """
    if silent:
        yield Silent()
    elif is_terminal(sys.stderr):
        with _rich_progress() as bars:
            yield _Bars(bars)
    else:
        yield _Lines()


class _Lines:
    """A line when a stage begins and ends, and every ten seconds of one that counts."""

    def __init__(self) -> None:
        self._total = 0
        self._told = 0.0
        self._last = ""

    def begin(self, stage: str, total: int = 0) -> None:
        self._total, self._told, self._last = total, time.monotonic(), ""
        _say(stage)

    def advance(self, stage: str, done: int, note: str = "") -> None:
        of_all = f"/{self._total}" if self._total else ""
        self._last = f"{stage}: {done}{of_all}  {note}".rstrip()
        if time.monotonic() - self._told >= LINE_SECONDS:
            self._told = time.monotonic()
            _say(self._last)
            self._last = ""

    def end(self, stage: str, outcome: str = "") -> None:
        if self._last:
            _say(self._last)
        if outcome:
            _say(f"{stage}: {outcome}")
        self._last = ""


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


class _Bars:
    """One bar a stage; it stays when the stage is over, so that the losses can be read."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, int] = {}

    def begin(self, stage: str, total: int = 0) -> None:
        self._tasks[stage] = self._bars.add_task(stage, total=total or None, note="")

    def advance(self, stage: str, done: int, note: str = "") -> None:
        self._bars.update(self._tasks[stage], completed=done, note=note)  # type: ignore[arg-type]

    def end(self, stage: str, outcome: str = "") -> None:
        task = self._tasks[stage]
        whole = self._bars.tasks[task].total or 1
        self._bars.update(task, total=whole, completed=whole)  # type: ignore[arg-type]
        if outcome:
            self._bars.update(task, note=outcome)  # type: ignore[arg-type]
        self._bars.stop_task(task)  # type: ignore[arg-type]


def _rich_progress() -> Progress:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=16),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}", style="dim"),
        console=terminal_console(sys.stderr),
    )
