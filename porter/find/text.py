"""``substitute``: literal text in files that are not Python."""

from __future__ import annotations

from collections.abc import Iterator

from porter.find.difference import Change
from porter.find.found import Found
from porter.rulebook.operations import Substitute


def find(operation: Substitute, data: bytes) -> Iterator[Found]:
    """Every place that holds the text; none that reads like the replacement already."""
    wanted, new = operation.find.encode("utf-8"), operation.replace
    done = new.encode("utf-8")
    position = data.find(wanted)
    while position >= 0:
        offset = done.find(wanted)
        written = offset >= 0 and data[position - offset :].startswith(done)
        if not (written and position >= offset):
            yield Found((Change(position, position + len(wanted), new),))
        position = data.find(wanted, position + len(wanted))
