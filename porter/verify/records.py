"""``rank-R.jsonl``, which the training process writes line by line, as ``Rank``.

A run that is killed leaves a torn last line, which is left out. Anything else that is not as
the training process writes it is an error: figures from a file half understood prove nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from porter.errors import CouldNotRun
from porter.verify.model import Counters, End, Failure, Rank, Run, Start, Step

#: What a line raises that is no JSON, lacks a key, or has a value of another type.
_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError)
#: The error of ``porter.training`` that is meant for the user.
REFUSAL = "CannotTrain"
_Record = TypeVar("_Record", Start, Step, End, Failure, Counters)


def record_path(folder: Path, rank: int) -> Path:
    """Where a rank's record lies in the folder of its run."""
    return folder / f"rank-{rank}.jsonl"


def read_rank(folder: Path, rank: int) -> Rank:
    """The record of one rank; an empty one if the process never began it.

    Raises:
        CouldNotRun: If a line is not as the training process writes it; names file and line.
    """
    path = record_path(folder, rank)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        content = b""
    except OSError as error:
        raise CouldNotRun(f"{path}: {error.strerror}") from error
    reader = _Reader(path)
    for line in content.splitlines(keepends=True):
        reader.take(line)
    return reader.rank(rank)


def joined(first: Rank, second: Rank, saved: End | None = None) -> Rank:
    """One rank's record before it was saved and ended, and after it was resumed, as one.

    A resumed run that does not begin with the weights that were saved ends in a failure.

    Args:
        saved: How the rank ended that saved the weights; None for this one.
    """
    failure = first.failure or second.failure
    saved, loaded = saved or first.end, second.start
    if not failure and saved and loaded and saved.weights != loaded.weights:
        failure = Failure("resume", "It began with other weights than those that were saved.")
    end = None if failure else second.end
    if end and saved and first.end and first.end.weights != saved.weights:
        # What this rank's normalizations remembered was its own, and is not in the checkpoint.
        end = replace(end, buffers={})
    return replace(first, steps=first.steps + second.steps, end=end, failure=failure)


def joined_run(first: Run, second: Run, after: int) -> Run:
    """Both halves of a run that was resumed after step ``after``, rank by rank.

    Rank 0 alone saves, and all begin with what it saved.
    """
    others = {rank.rank: rank for rank in second.ranks}
    nothing = Failure("resume", "It left no record.")
    saved = next((rank.end for rank in first.ranks if rank.rank == 0), None)
    ranks = tuple(
        joined(rank, others.get(rank.rank, Rank(rank.rank, None, (), {}, None, nothing)), saved)
        for rank in first.ranks
    )
    return replace(first, ranks=ranks, resumed=after)


def in_words(failure: Failure, otherwise: str = "") -> str:
    """How a training ended, with the frames it ended in.

    Where porter's own code refused to train, its sentence says it all.

    Args:
        otherwise: What stands in for frames that were not recorded.
    """
    if failure.kind == REFUSAL:
        return failure.message
    return f"{failure.kind}: {failure.message}\n{failure.trace or otherwise}".rstrip()


def tail(path: Path) -> Tail:
    """A reader of a file that grows: each ``read()`` gives the steps that are new."""
    return Tail(path)


class Tail:
    """Steps of a record that is being written; for a progress bar, so it raises nothing.

    What is no whole line yet is kept for the next time. A line that cannot be read is left to
    ``read_rank``.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def read(self) -> list[Step]:
        """The steps that were written since the last call."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                content = file.read()
        except OSError:
            return []
        whole = content[: content.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [step for line in whole.splitlines() for step in _steps(line)]


def _steps(line: bytes) -> Iterator[Step]:
    try:
        record = json.loads(line)
        if record["kind"] == "step":
            yield _step(record)
    except _UNREADABLE:
        return


class _Reader:
    """Takes a record's lines one by one, and knows where it is."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._line = 0
        self._start: Start | None = None
        self._steps: list[Step] = []
        self._gradients: Mapping[str, float] = {}
        self._sketches: Mapping[str, tuple[float, float]] = {}
        self._predictions: Mapping[str, tuple[float, ...]] | None = None
        self._no_predictions = ""
        self._end: End | None = None
        self._failure: Failure | None = None

    def rank(self, number: int) -> Rank:
        steps = tuple(self._steps)
        return Rank(
            rank=number,
            start=self._start,
            steps=steps,
            gradients=self._gradients,
            end=self._end,
            failure=self._failure,
            sketches=self._sketches,
            predictions=self._predictions,
            no_predictions=self._no_predictions,
        )

    def take(self, line: bytes) -> None:
        """Take a line with its end; one without an end was torn when the process was killed."""
        self._line += 1
        if not line.endswith(b"\n"):
            return
        try:
            record = json.loads(line)
            self._taker(record["kind"])(record)
        except _UNREADABLE as error:
            raise self._refusal(error) from error

    def _taker(self, kind: str) -> Callable[[Mapping[str, Any]], None]:
        takers = {
            "start": self._take_start,
            "predictions": self._take_predictions,
            "step": self._take_step,
            "gradients": self._take_gradients,
            "end": self._take_end,
            "failure": self._take_failure,
        }
        if kind not in takers:
            raise ValueError(f"{kind!r} is no kind of record")
        if kind == "start" and self._start is not None:
            raise ValueError("a second start")
        if kind not in ("start", "failure") and (self._start is None or self._end is not None):
            raise ValueError(f"{kind} outside start and end")
        return takers[kind]

    def _take_start(self, record: Mapping[str, Any]) -> None:
        self._start = _made(Start, record)

    def _take_predictions(self, record: Mapping[str, Any]) -> None:
        self._predictions = _summaries(record["found"])
        self._no_predictions = str(record["error"])

    def _take_step(self, record: Mapping[str, Any]) -> None:
        self._steps.append(_step(record))

    def _take_gradients(self, record: Mapping[str, Any]) -> None:
        self._gradients = {name: float(norm) for name, norm in record["norms"].items()}
        self._sketches = {
            name: (float(real), float(imaginary))
            for name, (real, imaginary) in record.get("sketches", {}).items()
        }

    def _take_end(self, record: Mapping[str, Any]) -> None:
        detections = _summaries(record.get("detections", {}))
        self._end = _made(End, {**record, "detections": detections})

    def _take_failure(self, record: Mapping[str, Any]) -> None:
        self._failure = _made(Failure, {**record, "kind": record["error"]})

    def _refusal(self, error: Exception) -> CouldNotRun:
        reason = f"no {error}" if isinstance(error, KeyError) else str(error)
        return CouldNotRun(
            f"{self._path}: line {self._line}: not a record of a training: {reason}",
            hint="If it was edited, run the verification again; otherwise this is a bug of porter.",
        )


def _summaries(found: Mapping[str, Any]) -> dict[str, tuple[float, ...]]:
    return {image: tuple(float(value) for value in values) for image, values in found.items()}


def _step(record: Mapping[str, Any]) -> Step:
    counters = record.get("counters")
    return _made(
        Step,
        {
            **record,
            "losses": {name: float(value) for name, value in record["losses"].items()},
            "grad_norm": float(record["grad_norm"]),
            "lr": tuple(float(rate) for rate in record["lr"]),
            "number": int(record["number"]),
            "counters": None if counters is None else _made(Counters, counters),
        },
    )


def _made(kind: type[_Record], record: Mapping[str, Any]) -> _Record:
    """A record's dataclass from the keys that it knows; KeyError names one that is missing."""
    known = {field.name: field for field in fields(kind)}
    values = {name: record[name] for name in known if name in record}
    for name, field in known.items():
        if name not in values and field.default is MISSING and field.default_factory is MISSING:
            raise KeyError(name)
    return kind(**values)
