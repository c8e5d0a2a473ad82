"""Records: read as they were written, torn only at the end, and refused where they are not understood."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from porter.errors import CouldNotRun
from porter.verify.model import End, Failure, Rank, Start
from porter.verify.records import in_words, joined, joined_run, read_rank, tail
from tests.verify import fakes


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    made = fakes.rank(3, steps=4, device="sdaa", amp=True, ranks=4)
    fakes.write_records(made, tmp_path)
    assert read_rank(tmp_path, 3) == made


def test_keys_that_are_not_known_are_left_to_who_knows_them(tmp_path: Path) -> None:
    path = fakes.write_records(fakes.rank(steps=2), tmp_path)
    assert '"checkpoint": ""' in path.read_text()
    assert read_rank(tmp_path, 0).end is not None


def test_what_is_not_finite_is_read_as_it_is(tmp_path: Path) -> None:
    step = replace(fakes.step(1), losses={"loss": math.nan}, grad_norm=math.inf)
    fakes.write_records(replace(fakes.rank(steps=1), steps=(step,)), tmp_path)
    read = read_rank(tmp_path, 0).steps[0]
    assert math.isnan(read.losses["loss"])
    assert read.grad_norm == math.inf


def test_a_failure_is_told_by_its_class(tmp_path: Path) -> None:
    failure = Failure("NotImplementedError", "no kernel", "line 1\nline 2")
    fakes.write_records(replace(fakes.rank(steps=2), end=None, failure=failure), tmp_path)
    assert read_rank(tmp_path, 0).failure == failure


def test_a_rank_that_never_began_is_empty(tmp_path: Path) -> None:
    assert read_rank(tmp_path, 1) == Rank(1, None, (), {}, None)


@pytest.mark.parametrize("cut", [1, 2, 40, 200])
def test_a_torn_last_line_is_left_out(tmp_path: Path, cut: int) -> None:
    path = fakes.write_records(fakes.rank(steps=3), tmp_path)
    path.write_bytes(path.read_bytes()[:-cut])
    read = read_rank(tmp_path, 0)
    assert [step.number for step in read.steps] == [1, 2, 3]
    assert read.end is None


START = json.dumps({"kind": "start", **fakes.rank().start.__dict__})
STEP = json.dumps({"kind": "step", **fakes.step(1).__dict__})
MALFORMED = {
    "no JSON": ([START, "{"], 2, "Expecting"),
    "no object": ([START, "[1]"], 2, "list indices"),
    "an unknown kind": (['{"kind": "begin"}'], 1, "'begin' is no kind of record"),
    "no kind": ([START, "{}"], 2, "no 'kind'"),
    "a missing key": (['{"kind": "start", "weights": "w"}'], 1, "no 'schedule'"),
    "losses that are no table": (
        [START, json.dumps(json.loads(STEP) | {"losses": [1.0]})],
        2,
        "items",
    ),
    "a rate that is no number": (
        [START, json.dumps(json.loads(STEP) | {"lr": ["fast"]})],
        2,
        "fast",
    ),
    "two starts": ([START, START], 2, "a second start"),
    "a step before the start": ([STEP], 1, "step outside start and end"),
    "not UTF-8": ([START, "\udcff"], 2, "utf-8"),
}


@pytest.mark.parametrize(("lines", "line", "words"), MALFORMED.values(), ids=MALFORMED.keys())
def test_any_other_line_is_refused(tmp_path: Path, lines: list[str], line: int, words: str) -> None:
    content = "".join(f"{text}\n" for text in [*lines, STEP])
    (tmp_path / "rank-0.jsonl").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(CouldNotRun) as caught:
        read_rank(tmp_path, 0)
    assert f"rank-0.jsonl: line {line}: " in caught.value.message
    assert words in caught.value.message


def test_a_growing_file_gives_each_step_once(tmp_path: Path) -> None:
    whole = fakes.write_records(fakes.rank(steps=3), tmp_path).read_bytes()
    growing = tmp_path / "growing.jsonl"
    reader = tail(growing)
    assert reader.read() == []
    seen: list[int] = []
    for end in range(0, len(whole) + 1, 97):
        growing.write_bytes(whole[:end])
        seen += [step.number for step in reader.read()]
    growing.write_bytes(whole)
    assert [*seen, *(step.number for step in reader.read())] == [1, 2, 3]
    assert reader.read() == []


def halves() -> tuple[Rank, Rank]:
    whole = fakes.rank(steps=6)
    first = replace(whole, steps=whole.steps[:3], end=replace(whole.end, weights="half"))  # type: ignore[type-var]
    second = replace(whole, steps=whole.steps[3:], start=replace(whole.start, weights="half"))  # type: ignore[type-var]
    return first, second


def test_both_halves_of_a_resumed_run_make_a_whole() -> None:
    first, second = halves()
    assert joined(first, second) == fakes.rank(steps=6)


def test_a_resumed_run_from_other_weights_is_a_failure() -> None:
    first, second = halves()
    other = replace(second, start=fakes.rank().start)
    made = joined(first, other)
    assert made.end is None
    assert made.failure is not None
    assert made.failure.kind == "resume"


def test_a_resumed_run_that_lacks_a_rank_is_a_failure() -> None:
    first, second = halves()
    run = fakes.run("sdaa", ranks=2)
    saved = replace(run, ranks=(first, replace(first, rank=1)))
    made = joined_run(saved, replace(run, ranks=(second,)), after=3)
    assert made.resumed == 3
    assert [rank.failure is None for rank in made.ranks] == [True, False]


def test_a_failure_in_words() -> None:
    failure = Failure("KeyError", "'x'", "head.py:3 in loss\n")
    assert in_words(failure) == "KeyError: 'x'\nhead.py:3 in loss"
    assert in_words(replace(failure, trace=""), "last line") == "KeyError: 'x'\nlast line"
    refusal = Failure("CannotTrain", "the config counts iterations, not epochs Pass ...", "frames")
    assert in_words(refusal) == refusal.message


def test_other_ranks_resume_from_what_the_first_one_saved() -> None:
    """Buffers, such as running means, are each rank's own until then."""
    ends = [replace(whole_end(), weights=w, buffers={"bn": 1.0}) for w in ("first", "second")]
    starts = [replace(whole_start(), weights="first")] * 2
    ranks = [replace(fakes.rank(steps=3), rank=n, end=end) for n, end in enumerate(ends)]
    later = [replace(fakes.rank(steps=3), rank=n, start=start) for n, start in enumerate(starts)]
    later = [replace(rank, end=end) for rank, end in zip(later, ends, strict=True)]
    run = fakes.run()
    made = joined_run(replace(run, ranks=tuple(ranks)), replace(run, ranks=tuple(later)), after=3)
    assert [rank.failure for rank in made.ranks] == [None, None]
    assert [dict(rank.end.buffers) if rank.end else None for rank in made.ranks] == [
        {"bn": 1.0},
        {},
    ]


def whole_end() -> End:
    end = fakes.rank().end
    assert end
    return end


def whole_start() -> Start:
    start = fakes.rank().start
    assert start
    return start
