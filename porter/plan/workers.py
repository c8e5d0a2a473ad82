"""Finding in many files at once: one process a processor, where the platform can fork."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from porter import forked
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


def run_files(
    operations: Sequence[Operation], work: Sequence[Work], jobs: int | None = None
) -> list[FileResult]:
    """The findings in each file, in the order of ``work``.

    Args:
        jobs: Processes to use; by default as many as there are processors.
    """
    if work:
        import porter.find  # noqa: F401  loaded once, before the fork
    return forked.each(
        partial(search_file, operations),
        work,
        few=WORTH_FORKING,
        jobs=jobs,
        weight=lambda item: len(item[1]),
        chunk=2,
    )


def search_file(operations: Sequence[Operation], item: Work) -> FileResult:
    """All that the operations find in one file."""
    from porter.find import SourceFile

    path, data, indexes, _ = item
    source = SourceFile(path, data, focus_words([operations[i] for i in indexes], data))
    found: list[tuple[int, list[Found]]] = []
    failures: list[Failure] = []
    try:
        if path.endswith(".py"):
            source.tree  # noqa: B018  one message for a file that does not parse, not one a rule
    except PlanError as problem:
        return path, found, [(None, str(problem))]
    for index in indexes:
        try:
            found.append((index, _places(operations[index], source)))
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
