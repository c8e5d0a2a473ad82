"""Three-way merges of files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from porter.port.merge import merge

BASE = b"a\nb\nc\nd\ne\nf\n"


@pytest.mark.parametrize(
    ("ours", "theirs", "merged"),
    [
        pytest.param(b"A\nb\nc\nd\ne\nf\n", b"a\nb\nc\nd\ne\nF\n", b"A\nb\nc\nd\ne\nF\n", id="far apart"),
        pytest.param(BASE + b"g\n", b"0\n" + BASE, b"0\n" + BASE + b"g\n", id="both ends"),
        pytest.param(b"A\nb\nc\nd\ne\nf\n", b"A\nb\nc\nd\ne\nF\n", b"A\nb\nc\nd\ne\nF\n", id="one change the same"),
        pytest.param(BASE, b"x\n", b"x\n", id="only theirs"),
        pytest.param(b"x\n", BASE, b"x\n", id="only ours"),
        pytest.param(b"x\n", b"x\n", b"x\n", id="both the same"),
        pytest.param(b"a\nb\nc\nd\ne", b"A\nb\nc\nd\ne\nf\n", b"A\nb\nc\nd\ne", id="no line end at the end"),
        pytest.param(b"a\r\nb\nc\nd\ne\nf\n", b"a\nb\nc\nd\ne\nF\n", b"a\r\nb\nc\nd\ne\nF\n", id="a carriage return"),
        pytest.param(None, BASE, None, id="deleted by hand, port unchanged"),
        pytest.param(BASE, None, None, id="no longer there in the port"),
    ],
)  # fmt: skip
def test_both_sides_changes_are_kept(
    ours: bytes | None, theirs: bytes | None, merged: bytes | None
) -> None:
    assert merge(BASE, ours, theirs) == merged


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        pytest.param(b"a\nB\nc\nd\ne\nf\n", b"a\n2\nc\nd\ne\nf\n", id="the same line"),
        pytest.param(b"a\nB\nc\nd\ne\nf\n", b"a\nb\nC\nd\ne\nf\n", id="neighbouring lines"),
        pytest.param(b"a\nb\nd\ne\nf\n", b"a\nb\nC\nd\ne\nf\n", id="deleted and changed"),
        pytest.param(None, b"x\n", id="the file is deleted and changed"),
        pytest.param(b"x\n", None, id="the file is changed and no longer there"),
    ],
)
def test_a_conflict_is_no_merge(ours: bytes | None, theirs: bytes | None) -> None:
    with pytest.raises(ValueError, match="side"):
        merge(BASE, ours, theirs)


WITHOUT_GIT = r"""
from porter.errors import SourceError
from porter.port.merge import merge
try:
    merge(b"a\nb\nc\n", b"A\nb\nc\n", b"a\nb\nC\n")
except SourceError as error:
    print(error)
"""


def test_merging_without_git_is_an_error_that_says_so(tmp_path: Path) -> None:
    environment = {**os.environ, "PATH": str(tmp_path)}
    command = [sys.executable, "-c", WITHOUT_GIT]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("merging hand edits needs git, which is not there\n", "")


LINES = st.lists(st.sampled_from([b"a\n", b"b\n", b"\n", b"c"]), max_size=12).map(b"".join)


@given(LINES, LINES)
def test_a_side_that_changes_nothing_never_conflicts(base: bytes, other: bytes) -> None:
    assert merge(base, base, other) == merge(base, other, base) == other
