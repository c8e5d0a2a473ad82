"""The HTML page: what is emphasized, how lines are numbered, and what a page without hunks says."""

from __future__ import annotations

import re
from html import unescape

from porter.diff import file_diffs
from porter.model import Edit, NewFile, Plan, Target
from porter.render.page import diff_page
from tests.helpers import MemoryTree

CHIP = Target(
    name="chip",
    vendor="Example",
    chip="C1",
    summary="A chip of the tests.",
    documentation="",
    device="chip",
    plugin="torch_chip",
    backend="ccl",
    visible_devices="",
    amp_dtypes=(),
    family="plugin",
    traits={},
    pins={"default": {"pkg": "1.0"}},
    simulate={},
    variables={},
)

ROW = re.compile(r'<span class="row (\w+)" data-old="(\d*)"><i data-new="(\d*)"></i>(.*?)</span>')


def page_of(before: str, after: str, *, path: str = "pkg/a.py") -> str:
    edits = (Edit("pkg", path, 0, len(before.encode()), after.encode(), "pkg/rule"),)
    plan = plan_of(
        edits if before else (),
        () if before else (NewFile("pkg", path, after.encode(), "pkg/rule"),),
    )
    tree = MemoryTree("pkg", "1.0", {path: before})
    return diff_page(CHIP, plan, file_diffs(plan, {"pkg": tree}), [])


def plan_of(edits: tuple[Edit, ...], new_files: tuple[NewFile, ...]) -> Plan:
    return Plan("chip", "", {"pkg": "1.0"}, edits, new_files, (), {})


def rows(page: str) -> list[tuple[str, str, str, str]]:
    return [(kind, old, new, text) for kind, old, new, text in ROW.findall(page)]


def test_lines_have_their_old_and_new_numbers() -> None:
    page = page_of("a\nb\nc\n", "a\nB1\nB2\nc\n")
    assert [row[:3] for row in rows(page)] == [
        ("same", "1", "1"),
        ("del", "2", ""),
        ("add", "", "2"),
        ("add", "", "3"),
        ("same", "3", "4"),
    ]


def test_what_differs_in_a_line_is_emphasized_by_whole_words() -> None:
    page = page_of("with torch.cuda.amp:\n", "with torch.sdaa.amp:\n")
    assert [row[3] for row in rows(page)] == [
        "-with torch.<b>cuda</b>.amp:",
        "+with torch.<b>sdaa</b>.amp:",
    ]


def test_lines_with_little_in_common_are_not_emphasized() -> None:
    page = page_of("return x\n", "device = self.device_of(input)\n")
    assert "<b>" not in page


def test_an_inserted_word_is_emphasized_on_its_side_only() -> None:
    page = page_of("f(a, b)\n", "f(a, new, b)\n")
    assert [row[3] for row in rows(page)] == ["-f(a, b)", "+f(a, <b>new, </b>b)"]


def test_code_is_escaped() -> None:
    code = "<script>alert('&')</script>\n"
    page = page_of("x\n", code)
    assert "<script" not in page
    assert code.strip() in unescape(page)


def test_bytes_that_are_no_text_do_not_break_the_page() -> None:
    edit = Edit("pkg", "pkg/a.c", 0, 1, b"y", "pkg/rule")
    tree = MemoryTree("pkg", "1.0", {"pkg/a.c": b"x \xe9\n"})
    plan = plan_of((edit,), ())
    page = diff_page(CHIP, plan, file_diffs(plan, {"pkg": tree}), [])
    assert "\N{REPLACEMENT CHARACTER}" in page
    page.encode("utf-8")


def test_a_new_file_is_marked() -> None:
    page = page_of("", "x = 1\n", path="pkg/new.py")
    assert '<span class="new">new file</span>' in page
    assert [row[:3] for row in rows(page)] == [("add", "", "1")]


def test_a_port_that_changes_nothing_says_so() -> None:
    plan = plan_of((), ())
    page = diff_page(CHIP, plan, [], [])
    assert "The port changes nothing." in page
