"""Progress of a download: bars on a terminal, a line for each download in a pipe."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from porter.render.blocks import is_terminal, terminal_console

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

    from porter.source import Progress


@contextmanager
def shown_progress(*, silent: bool) -> Iterator[Progress | None]:
    """The function to hand to ``porter.source.fetch``; all goes to standard error.

    Args:
        silent: Show nothing.
    """
    if silent:
        yield None
    elif is_terminal(sys.stderr):
        with _rich_progress() as bars:
            yield _Bars(bars)
    else:
        yield _Lines()


class _Lines:
    """One line when something begins.

    How much there is to do is left out: the unit differs, bytes here and git objects there.
    """

    def __init__(self) -> None:
        self._begun: set[str] = set()
        self._lock = threading.Lock()

    def __call__(self, what: str, _done: int, _total: int) -> None:
        with self._lock:
            if what in self._begun:
                return
            self._begun.add(what)
        print(f"fetching {what}", file=sys.stderr, flush=True)


class _Bars:
    """One bar for each thing that is fetched."""

    def __init__(self, bars: RichProgress) -> None:
        self._bars = bars
        self._tasks: dict[str, int] = {}
        self._lock = threading.Lock()

    def __call__(self, what: str, done: int, total: int) -> None:
        with self._lock:
            if what not in self._tasks:
                self._tasks[what] = self._bars.add_task(what, total=total or None)
        self._bars.update(self._tasks[what], completed=done, total=total or None)  # type: ignore[arg-type]


def _rich_progress() -> RichProgress:
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    return Progress(
        TextColumn("fetching {task.description}"),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        console=terminal_console(sys.stderr),
        transient=True,
    )
