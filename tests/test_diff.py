"""Diffs: accepted by the real ``git apply`` and ``patch``, and every hunk knows its rules."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from porter.diff import FileDiff, file_diffs, shared_prefix, text_hunks
from porter.model import Edit, NewFile, Plan
from porter.plan.splice import splice
from tests.helpers import MemoryTree


def plan_of(edits: Sequence[Edit], new_files: Sequence[NewFile] = ()) -> Plan:
    return Plan(
        target="chip",
        target_digest="",
        versions={"pkg": "1.0"},
        edits=tuple(edits),
        new_files=tuple(new_files),
        skips=(),
        rule_digests={},
    )


def replacing(data: bytes, old: bytes, new: bytes, rule: str = "pkg/rule") -> Edit:
    start = data.index(old)
    return Edit("pkg", "pkg/a.py", start, start + len(old), new, rule)


def diff_of(data: bytes, *edits: Edit, path: str = "pkg/a.py") -> FileDiff:
    moved = [Edit("pkg", path, e.start, e.end, e.new, e.rule) for e in edits]
    (found,) = file_diffs(plan_of(moved), {"pkg": MemoryTree("pkg", "1.0", {path: data})})
    return found


NUMBERED = "".join(f"line {number}\n" for number in range(1, 41)).encode()

APPLICABLE = {
    "one line": (b"a\nb\nc\n", b"b", b"B"),
    "several lines": (NUMBERED, b"line 20\nline 21\n", b"x\ny\nz\n"),
    "insertion at the start": (NUMBERED, b"", b"first\n"),
    "deletion of the last line": (NUMBERED, b"line 40\n", b""),
    "everything deleted": (b"only\n", b"only\n", b""),
    "no line end at the end, changed": (b"a\nb", b"b", b"B"),
    "no line end at the end, kept": (b"a\nb\nc", b"a", b"A"),
    "a line end is added": (b"a\nb", b"b", b"b\n"),
    "a line end is taken away": (b"a\nb\n", b"b\n", b"b"),
    "carriage returns": (b"a\r\nb\r\nc\r\n", b"b", b"B"),
    "form feeds and odd separators": (b"a\x0cb\nc\x1cd\n\xc2\x85e\n", b"c", b"C"),
    "bytes that are not UTF-8": (b"# caf\xe9\nx = 1\n", b"1", b"2"),
    "a line that looks like a diff header": (b"--- a\n+++ b\n@@ -1 +1 @@\n", b"b", b"c"),
}

PATHS = {
    "plain path": "pkg/a.py",
    "path with a space": "pkg/a b.py",
    "path with quotes": 'pkg/a"b.py',
    "path that is not ASCII": "pkg/配置.py",
}


def apply_with(tool: str, diff: str, folder: Path) -> None:
    command = {"git": ["git", "apply", "-"], "patch": ["patch", "-p1", "--binary", "-s"]}[tool]
    result = subprocess.run(
        command,
        input=diff.encode("utf-8", "surrogateescape"),
        cwd=folder,
        capture_output=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr.decode()


needs_patch = pytest.mark.skipif(shutil.which("patch") is None, reason="no patch command here")
TOOLS = [pytest.param("git"), pytest.param("patch", marks=needs_patch)]


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize(("data", "old", "new"), APPLICABLE.values(), ids=APPLICABLE.keys())
def test_tools_accept_a_changed_file(
    tool: str, data: bytes, old: bytes, new: bytes, tmp_path: Path
) -> None:
    edit = replacing(data, old, new)
    file = tmp_path / "pkg" / "pkg" / "a.py"
    file.parent.mkdir(parents=True)
    file.write_bytes(data)
    apply_with(tool, diff_of(data, edit).text, tmp_path)
    after = file.read_bytes() if file.exists() else b""
    assert after == splice(data, [edit])


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS.keys())
def test_tools_accept_any_file_name(tool: str, path: str, tmp_path: Path) -> None:
    file = tmp_path / "pkg" / path
    file.parent.mkdir(parents=True)
    file.write_bytes(b"a\nb\n")
    apply_with(tool, diff_of(b"a\nb\n", replacing(b"a\nb\n", b"b", b"c"), path=path).text, tmp_path)
    assert file.read_bytes() == b"a\nc\n"


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize(
    "content",
    [b"x = 1\ny = 2\n", b"x = 1", b""],
    ids=["whole lines", "no line end", "empty"],
)
def test_tools_accept_a_new_file(tool: str, content: bytes, tmp_path: Path) -> None:
    new = NewFile("pkg", "pkg/sub/new.py", content, "pkg/adds")
    (diff,) = file_diffs(plan_of([], [new]), {"pkg": MemoryTree("pkg", "1.0", {})})
    assert diff.is_new
    assert diff.rules == (("pkg/adds",) if content else ())
    apply_with(tool, diff.text, tmp_path)
    assert (tmp_path / "pkg" / "pkg" / "sub" / "new.py").read_bytes() == content


def test_site_packages_paths_have_no_package_folder() -> None:
    data = b"a\n"
    tree = {"pkg": MemoryTree("pkg", "1.0", {"pkg/a.py": data})}
    (diff,) = file_diffs(plan_of([replacing(data, b"a", b"b")]), tree, {"pkg": "."})
    assert diff.text.startswith("diff --git a/pkg/a.py b/pkg/a.py\n--- a/pkg/a.py\n")


def test_files_come_by_package_and_path() -> None:
    trees = {
        "b": MemoryTree("b", "1.0", {"b/y.py": b"1\n", "b/x.py": b"1\n"}),
        "a": MemoryTree("a", "1.0", {"a/z.py": b"1\n"}),
    }
    edits = [
        Edit(package, path, 0, 1, b"2", "r")
        for package, tree in trees.items()
        for path in tree.paths()
    ]
    found = file_diffs(plan_of(edits, [NewFile("a", "a/a.py", b"1\n", "r")]), trees)
    assert [diff.name for diff in found] == ["a/a/a.py", "a/a/z.py", "b/b/x.py", "b/b/y.py"]


def test_an_edit_that_changes_nothing_leaves_no_hunk() -> None:
    assert diff_of(b"a\n", replacing(b"a\n", b"a", b"a")).hunks == ()


def test_hunks_name_the_rules_behind_them() -> None:
    near = [
        replacing(NUMBERED, b"line 5\n", b"line 5\ninserted\n", "pkg/inserts"),
        replacing(NUMBERED, b"line 7", b"LINE 7", "pkg/shouts"),
        replacing(NUMBERED, b"line 30", b"LINE 30", "pkg/far"),
    ]
    hunks = diff_of(NUMBERED, *near).hunks
    assert [hunk.rules for hunk in hunks] == [("pkg/inserts", "pkg/shouts"), ("pkg/far",)]


def test_a_long_edit_is_behind_every_hunk_it_changes() -> None:
    old = b"".join(b"line %d\n" % number for number in range(5, 31))
    new = old.replace(b"line 6\n", b"line six\n").replace(b"line 29\n", b"line 29!\n")
    hunks = diff_of(NUMBERED, replacing(NUMBERED, old, new, "pkg/long")).hunks
    assert [hunk.rules for hunk in hunks] == [("pkg/long",), ("pkg/long",)]


def test_an_edits_unchanged_edges_are_no_reason() -> None:
    body = b"".join(b"line %d\n" % number for number in range(5, 20))
    edits = [
        replacing(NUMBERED, body, body.replace(b"line 5\n", b"line five\n"), "pkg/top"),
        replacing(NUMBERED, b"line 20", b"LINE 20", "pkg/below"),
    ]
    hunks = diff_of(NUMBERED, *edits).hunks
    assert [hunk.rules for hunk in hunks] == [("pkg/top",), ("pkg/below",)]


def test_text_put_at_the_end_of_a_line_belongs_to_its_hunk() -> None:
    at = NUMBERED.index(b"\nline 21")
    edit = Edit("pkg", "pkg/a.py", at, at, b"\nappended", "pkg/appends")
    (hunk,) = diff_of(NUMBERED, edit).hunks
    assert hunk.rules == ("pkg/appends",)
    assert "+appended" in hunk.lines


def test_headers_name_the_function_above() -> None:
    body = "".join(f"        x{number} = {number}\n" for number in range(10))
    data = f"class Runner:\n    async def train(self):\n{body}".encode()
    (hunk,) = diff_of(data, replacing(data, b"x8 = 8", b"x8 = 9")).hunks
    assert hunk.header == "@@ -8,5 +8,5 @@ async def train(self):"


def test_hunks_count_their_lines() -> None:
    (hunk,) = text_hunks("a\nb\nc\n", "a\nB\nC\nc\n")
    assert (hunk.added, hunk.removed) == (2, 1)
    assert (hunk.old_count, hunk.new_count) == (3, 4)


def test_equal_texts_have_no_hunks() -> None:
    assert text_hunks("a\n", "a\n") == ()


LINES = st.lists(st.sampled_from([b"a", b"b", b"", b"\r", b"\xff", b"--- c"]), max_size=30)


@st.composite
def edited_files(draw: st.DrawFn) -> tuple[bytes, list[Edit]]:
    data = b"\n".join(draw(LINES))
    places = sorted(draw(st.lists(st.integers(0, len(data)), max_size=8, unique=True)))
    spans = zip(places[::2], places[1::2], strict=False)
    edits = [
        Edit("pkg", "pkg/a.py", start, end, b"\n".join(draw(LINES)), f"pkg/rule-{start}")
        for start, end in spans
    ]
    return data, edits


def patched(data: bytes, diff: FileDiff) -> bytes:
    """Apply a diff as its format says, checking all it says of the old file."""
    old = data.decode("utf-8", "surrogateescape").split("\n")
    old = [f"{line}\n" for line in old[:-1]] + ([old[-1]] if old[-1] else [])
    new: list[str] = []
    position = 0
    for hunk in diff.hunks:
        start = hunk.old_start - (hunk.old_count > 0)
        new += old[position:start]
        position = start
        for line, following in zip(hunk.lines, (*hunk.lines[1:], ""), strict=True):
            text = line[1:] + ("" if following.startswith("\\") else "\n")
            if line[0] in " -":
                assert old[position] == text
                position += 1
            if line[0] in " +":
                new.append(text)
    return "".join(new + old[position:]).encode("utf-8", "surrogateescape")


@given(edited_files())
def test_a_diff_carries_the_whole_change(case: tuple[bytes, list[Edit]]) -> None:
    data, edits = case
    if not edits:
        return
    diff = diff_of(data, *edits)
    assert patched(data, diff) == splice(data, edits)
    assert all(hunk.rules for hunk in diff.hunks)


@given(st.binary(), st.binary())
def test_shared_prefix_is_shared_and_longest(one: bytes, other: bytes) -> None:
    length = shared_prefix(one, other)
    assert one[:length] == other[:length]
    assert one[length : length + 1] != other[length : length + 1] or one == other
