"""Finding in many files at once: one process a processor, where the platform can fork."""

from __future__ import annotations

import multiprocessing
import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING

from porter.errors import PlanError, RuleFileError
from porter.model import Operation

if TYPE_CHECKING:
    from porter.find import Found, SourceFile

#: What is wrong: with an operation by its index, or with the file as a whole.
Failure = tuple["int | None", str]

#: What is found in a file: its path, the places by operation, and what went wrong.
FileResult = tuple[str, "list[tuple[int, list[Found]]]", list[Failure]]

#: A file to search: path, bytes, indexes of the operations to look for, package.
Work = tuple[str, bytes, tuple[int, ...], str]

#: Below so many files a second process costs more than it saves.
WORTH_FORKING = 8

_operations: Sequence[Operation] = ()


def run_files(
    operations: Sequence[Operation], work: Sequence[Work], jobs: int | None = None
) -> list[FileResult]:
    """The findings in each file, in the order of ``work``.

    Args:
        jobs: Processes to use; by default as many as there are processors.
    """
    global _operations
    _operations = operations
    count = jobs or os.cpu_count() or 1
    can_fork = "fork" in multiprocessing.get_all_start_methods()
    if count == 1 or len(work) < WORTH_FORKING or not can_fork:
        return [search_file(item) for item in work]
    import porter.find  # noqa: F401  loaded once, before the fork

    # The largest files first, so that no process ends up with one of them alone.
    order = sorted(range(len(work)), key=lambda i: -len(work[i][1]))
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(count, mp_context=context) as pool:
        results = pool.map(search_file, [work[i] for i in order], chunksize=2)
        by_index = dict(zip(order, results))
    return [by_index[i] for i in range(len(work))]


def search_file(item: Work) -> FileResult:
    """All that the operations find in one file."""
    from porter.find import SourceFile

    path, data, indexes, _ = item
    source = SourceFile(path, data, focus_words([_operations[i] for i in indexes], data))
    found: list[tuple[int, list[Found]]] = []
    failures: list[Failure] = []
    try:
        if path.endswith(".py"):
            source.tree  # noqa: B018  one message for a file that does not parse, not one a rule
    except PlanError as problem:
        return path, found, [(None, str(problem))]
    for index in indexes:
        try:
            found.append((index, _places(_operations[index], source)))
        except (PlanError, RuleFileError) as problem:
            failures.append((index, str(problem)))
    return path, found, failures


def _places(operation: Operation, source: SourceFile) -> list[Found]:
    from porter.find import find_in_python, find_in_text

    if source.path.endswith(".py"):
        return find_in_python(operation, source)
    return list(find_in_text(operation, source.data))


def focus_words(operations: Sequence[Operation], data: bytes) -> set[bytes]:
    """For each operation the rarest word that code it edits must have, by any name."""
    from porter.find import words_for_bodies

    return set(_aliases(words_for_bodies(operations, data), data))


def _aliases(words: set[bytes], data: bytes) -> Iterator[bytes]:
    """The words, and the names under which the file imports them."""
    for word in words:
        yield word
        yield from re.findall(rb"\b%b\s+as\s+(\w+)" % re.escape(word), data)
