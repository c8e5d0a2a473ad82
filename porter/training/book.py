"""The record of one process: a JSON object a line, on the disk as soon as it is known.

Whoever started the process follows the file while it grows, and reads from a killed process
what it had written until then.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

#: Frames of a traceback that go into the record.
LAST_FRAMES = 8


class Book:
    """Writes ``rank-<R>.jsonl``. What is not finite is written as Python's json does: ``NaN``."""

    def __init__(self, folder: Path, rank: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"rank-{rank}.jsonl"
        self._file = self.path.open("w", encoding="utf-8")

    def write(self, kind: str, values: Mapping[str, object]) -> None:
        """Add one line of a kind: ``start``, ``step``, ``gradients``, ``end`` or ``failure``."""
        self._file.write(json.dumps({"kind": kind, **values}) + "\n")
        self._file.flush()

    def fail(self, problem: BaseException) -> None:
        """Add how the process failed."""
        self.write(
            "failure",
            {
                "error": type(problem).__name__,
                "message": str(problem),
                "trace": last_frames(problem.__traceback__),
            },
        )

    def close(self) -> None:
        """Nothing is written after this."""
        self._file.close()


def last_frames(trace: TracebackType | None) -> str:
    """The innermost frames as Python prints them; files by their name in their package."""
    frames = traceback.extract_tb(trace)[-LAST_FRAMES:]
    return "".join(
        f"{_short(frame.filename)}:{frame.lineno} in {frame.name}\n    {frame.line}\n"
        for frame in frames
    )


def _short(filename: str) -> str:
    """``mmdet/models/detectors/base.py`` of a path: from the outermost package on."""
    path = Path(filename)
    start = path.parent
    while (start / "__init__.py").exists():
        start = start.parent
    try:
        return path.relative_to(start).as_posix()
    except ValueError:
        return filename
