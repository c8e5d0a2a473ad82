"""Doing one thing to many items at once: one process a processor, where the platform can fork."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

#: What forked processes find in their memory, so that neither it nor an item is ever pickled.
_work: tuple[Callable[[Any], Any], Sequence[Any]] = (len, ())


def processes(jobs: int | None = None) -> int:
    """How many processes to use: as many as asked for or there are processors; 1 without fork.

    Args:
        jobs: How many are asked for; None for one a processor.
    """
    can_fork = "fork" in multiprocessing.get_all_start_methods()
    return (jobs or os.cpu_count() or 1) if can_fork else 1


def each(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    few: int,
    jobs: int | None = None,
    weight: Callable[[Item], int] = lambda _: 0,
    chunk: int = 1,
) -> list[Result]:
    """What a function gives for each item, in their order.

    Args:
        function: Called in this process or in a fork of it; what it gives is pickled.
        few: With fewer items a second process costs more than it saves.
        jobs: As for ``processes``.
        weight: The heaviest items are begun first, so that no process ends up with one alone.
        chunk: How many items a process is given at a time.
    """
    global _work
    count = processes(jobs)
    if count == 1 or len(items) < few:
        return [function(item) for item in items]
    _work = function, items
    order = sorted(range(len(items)), key=lambda index: -weight(items[index]))
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(count, mp_context=context) as pool:
        by_index = dict(zip(order, pool.map(_one, order, chunksize=chunk)))
    return [by_index[index] for index in range(len(items))]


def _one(index: int) -> Any:
    function, items = _work
    return function(items[index])
