"""The code that an operation came closest to matching, for messages."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher

#: Below this likeness a line says nothing.
LIKENESS = 0.55


def nearest_line(wanted: str, files: Iterable[tuple[str, bytes]]) -> str:
    """The line most like the first line of a pattern, as ``path:line: code``; or nothing."""
    first = next((line.strip() for line in wanted.splitlines() if line.strip()), "")
    best, where = LIKENESS, ""
    matcher = SequenceMatcher(autojunk=False)
    matcher.set_seq2(first)
    for path, data in files:
        for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), start=1):
            matcher.set_seq1(line.strip())
            if matcher.real_quick_ratio() > best and matcher.quick_ratio() > best:
                likeness = matcher.ratio()
                if likeness > best:
                    best, where = likeness, f"{path}:{number}: {line.strip()}"
    return where
