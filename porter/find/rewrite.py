"""``rewrite``: code that matches a pattern becomes the replacement."""

from __future__ import annotations

import re
from collections.abc import Iterator

from porter.find.found import Found
from porter.find.pattern import (
    MODULES,
    Match,
    Pattern,
    compile_pattern,
    find_matches,
    is_expression,
)
from porter.find.source import SourceFile
from porter.find.template import changes
from porter.model import Expect
from porter.rulebook.operations import Rewrite

#: The expectation of a rule that is not written for known code: any number of places.
ANYWHERE = Expect(0, None)


def find(operation: Rewrite, source: SourceFile) -> Iterator[Found]:
    """The places to rewrite; those that read like the replacement already are left alone."""
    statements = not (is_expression(operation.match) and is_expression(operation.replace))
    pattern = compile_pattern(operation.match, statements)
    done = _spans(compile_pattern(operation.replace, statements), source, operation.replace)
    for match in find_matches(pattern, source, operation.within):
        if _inside(match, done) or not _allowed(operation, match, source):
            continue
        if operation.expect == ANYWHERE and not _knows(operation, match, source):
            continue
        yield Found(tuple(changes(operation.match, operation.replace, match, source)))


def _spans(pattern: Pattern, source: SourceFile, text: str) -> list[tuple[int, int]]:
    return [match.span for match in find_matches(pattern, source)] if text.strip() else []


def _inside(match: Match, spans: list[tuple[int, int]]) -> bool:
    return any(start <= match.span[0] and match.span[1] <= end for start, end in spans)


def _knows(operation: Rewrite, match: Match, source: SourceFile) -> bool:
    """Whether a place has the modules that the replacement uses: code not known may lack them."""
    words = set(re.findall(r"(?<![\w.'\"])\w+", operation.replace)) & MODULES
    offset = match.span[0]
    spelled = {word: source.names.local_spelling(word, offset) for word in words}
    return all(
        name is not None and (name != word or source.names.is_bound(word, offset))
        for word, name in spelled.items()
    )


def _allowed(operation: Rewrite, match: Match, source: SourceFile) -> bool:
    """Whether every captured piece is what the operation's ``where`` asks for."""
    return all(
        re.fullmatch(wanted, source.text(match.captures[name]), re.DOTALL)
        for name, wanted in operation.where.items()
    )
