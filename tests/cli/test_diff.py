"""``porter diff``, as a user runs it."""

from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from .conftest import Run

OPS = """\
diff --git a/mmcv/mmcv/ops.py b/mmcv/mmcv/ops.py
--- a/mmcv/mmcv/ops.py
+++ b/mmcv/mmcv/ops.py
@@ -1,5 +1,6 @@
 def forward(x):
     y = x
-    kernel(x,
+    copied = x.clone()
+    kernel(copied,
            1)
     return y
"""


def test_diff_in_a_pipe_is_plain_text(run: Run) -> None:
    result = run("diff", "--target", "chip", "--rule", "mmcv/own-input")
    assert (result.code, result.out, result.err) == (0, OPS, "")


def test_diff_on_a_terminal_is_coloured(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    out = run("diff", "--target", "chip", "--rule", "mmcv/own-input").out
    assert "\x1b[31m-    kernel(x,\x1b[0m" in out
    assert "\x1b[32m+    copied = x.clone()\x1b[0m" in out
    assert re.sub(r"\x1b\[[0-9;]*m", "", out) == OPS


def test_no_color_is_honoured(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    out = run("diff", "--target", "chip").out
    assert "\x1b[3" not in out


@pytest.mark.parametrize(
    "command", [("git", "apply"), ("patch", "-p1", "-s")], ids=["git", "patch"]
)
def test_applying_the_diff_gives_the_ported_tree(
    run: Run, ported: Path, project: Path, command: tuple[str, ...]
) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"no {command[0]} here")
    diff = run("diff", "--target", "chip").out
    subprocess.run(command, input=diff.encode(), cwd=project / "checkouts", check=True)
    for path in ("mmcv/mmcv/ops.py", "mmcv/mmcv/ported.py", "mmengine/mmengine/device.py"):
        assert (project / "checkouts" / path).read_bytes() == (ported / path).read_bytes()


def test_diff_of_a_ported_folder_is_what_the_port_changed(run: Run, ported: Path) -> None:
    by_pins = run("diff", "--target", "chip")
    by_folder = run("diff", "--target", "chip", "--into", "vendor")
    assert by_folder.out == by_pins.out != ""


def test_diff_of_site_packages_has_their_paths(run: Run, project: Path) -> None:
    for package in ("mmcv", "mmengine"):
        shutil.copytree(project / "checkouts" / package / package, project / "site" / package)
    out = run("diff", "--target", "chip", "--into", "site").out
    assert "diff --git a/mmcv/ops.py b/mmcv/ops.py" in out.splitlines()


def test_diff_stat_ends_in_totals(run: Run) -> None:
    lines = run("diff", "--target", "chip", "--stat").out.splitlines()
    assert lines == [
        " mmcv/mmcv/ops.py            | 3 ++-",
        " mmcv/mmcv/ported.py         | 1 +",
        " mmengine/mmengine/device.py | 2 +-",
        "3 files changed, 4 lines added, 2 removed",
    ]


def test_diff_of_one_package(run: Run) -> None:
    document = run("diff", "--target", "chip", "--package", "mmengine", "--json").json
    assert [file["name"] for file in document["files"]] == ["mmengine/mmengine/device.py"]
    assert document["versions"] == {"mmengine": "99.0"}


def test_diff_as_json(run: Run) -> None:
    document = run("diff", "--target", "chip", "--json").json
    assert sorted(document) == ["files", "rules", "skips", "target", "versions"]
    ops = document["files"][0]
    assert ops["hunks"][0]["rules"] == ["mmcv/own-input"]
    assert ops["hunks"][0]["header"] == "@@ -1,5 +1,6 @@"
    assert (ops["added"], ops["removed"], ops["new"]) == (2, 1, False)
    assert document["files"][1]["new"] is True


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        pytest.param(
            ("--into", "rules"),
            7,
            "error: rules holds none of the packages to port",
            id="a folder without packages",
        ),
        pytest.param(
            ("--into", "checkouts", "--pin", "mmcv=97.0"),
            7,
            "error: checkouts has mmcv 98.1, but 97.0 is asked for",
            id="another version than the folder has",
        ),
        pytest.param(
            ("--package", "mmcvv"),
            2,
            "error: --package mmcvv: no such package\nhint: Did you mean `mmcv`?",
            id="unknown package",
        ),
        pytest.param(
            ("--set", "odl"),
            2,
            "error: --set odl: target 'chip' has no such set of pins\nhint: Did you mean `old`?",
            id="unknown set",
        ),
        pytest.param(
            ("--html", "nowhere/page.html"),
            8,
            "error: --html nowhere/page.html: cannot be written: No such file or directory",
            id="a page that cannot be written",
        ),
        pytest.param(
            ("--from", "nowhere"),
            2,
            "error: --from nowhere: neither `archive`, `git` nor a folder",
            id="an origin that is none",
        ),
    ],
)
def test_bad_input(run: Run, options: tuple[str, ...], code: int, message: str) -> None:
    result = run("diff", "--target", "chip", *options)
    assert result.code == code
    assert result.err.startswith(message)
    assert result.out == ""


class Page(HTMLParser):
    """What a page is made of; fails where tags do not nest."""

    VOID = frozenset({"meta", "br", "wbr", "link"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.add(tag)
        self.ids += [values["id"]] if values.get("id") else []
        self.links += [values["href"]] if values.get("href") else []
        assert "src" not in values
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data if self.open[-1:] != ["style"] else ""


@pytest.fixture
def page(run: Run, project: Path) -> Page:
    result = run("diff", "--target", "chip", "--html", "page.html")
    assert result.out.splitlines()[0] == "Wrote page.html"
    return Page((project / "page.html").read_text(encoding="utf-8"))


def test_a_page_needs_nothing_else(page: Page) -> None:
    assert all(link.startswith("#") for link in page.links)
    assert not {"script", "link", "img", "iframe"} & page.tags
    css = Path("page.html").read_text(encoding="utf-8")
    assert "url(" not in css
    assert "@import" not in css


def test_every_link_of_a_page_leads_somewhere(page: Page) -> None:
    assert len(page.ids) == len(set(page.ids))
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids)
    assert len(page.links) > 10


def test_a_page_tells_rule_reason_and_source_of_each_hunk(page: Page) -> None:
    for words in (
        "mmengine/available",
        "Code that asks for cuda must find the chip, <or> it stays on the host.",
        "Source: our own & only test",
        "Versions: mmcv >=98",
        "A chip that only tests know, with <angle brackets>.",
        "chip has the trait chip-test-device",
        "+    copied = x.clone()",
    ):
        assert words in page.text, words


def test_a_page_is_the_same_every_time(run: Run, project: Path) -> None:
    run("diff", "--target", "chip", "--html", "one.html")
    run("diff", "--target", "chip", "--html", "two.html")
    assert (project / "one.html").read_bytes() == (project / "two.html").read_bytes()
