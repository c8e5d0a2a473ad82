"""``porter explain``, as a user runs it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Run, write_files

OPS = "vendor/mmcv/mmcv/ops.py"


@pytest.mark.parametrize(
    "words",
    [
        pytest.param((f"{OPS}:3",), id="a path from here"),
        pytest.param(("--into", "vendor", "mmcv/mmcv/ops.py:3"), id="a path from the tree"),
        pytest.param(("--into", "vendor", "mmcv/ops.py:3"), id="a path from the package"),
    ],
)
def test_a_ported_line_has_its_rule(run: Run, ported: Path, words: tuple[str, ...]) -> None:
    result = run("explain", *words)
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines() == [
        "mmcv/mmcv/ops.py:3",
        "      copied = x.clone()",
        "",
        "mmcv/own-input",
        "  The kernel misreads the inner layout; a clone is plain.",
        "  Edit              rewrite, lines 3 to 4, for chip, mmcv 98.1",
        "  Source            our own test",
        "  When              chip-test-clone",
        "  Versions          mmcv >=98",
        "  Upstream does it  chip >=98.2",
        "  Cases             clones the input",
        "  File              rules/mmcv/own-input.toml",
        "  -    kernel(x,",
        "  +    copied = x.clone()",
        "  +    kernel(copied,",
    ]


def test_a_line_of_upstreams_says_so_and_tells_where_the_edits_are(run: Run, ported: Path) -> None:
    result = run("explain", f"{OPS}:1")
    assert result.code == 0
    assert "The line is upstream's (mmcv 98.1); no rule is behind it." in result.out
    assert "  lines 3 to 4  mmcv/own-input" in result.out.splitlines()


def test_a_file_that_the_port_left_alone(run: Run, ported: Path) -> None:
    result = run("explain", "vendor/mmcv/setup.py:1")
    assert result.code == 2
    assert result.err == "error: vendor/mmcv/setup.py: no line 1: the file has 0\n"
    result = run("explain", "vendor/mmcv/mmcv/version.py:1")
    assert result.out.splitlines()[-1] == (
        "The line is upstream's (mmcv 98.1); no rule is behind it."
    )


def test_a_line_of_an_added_file(run: Run, ported: Path) -> None:
    document = run("explain", "vendor/mmcv/mmcv/ported.py:1", "--json").json
    (reason,) = document["reasons"]
    assert (reason["rule"], reason["kind"]) == ("mmcv/notice", "add-file")
    assert (reason["before"], reason["after"]) == (None, 'TARGET = "chip"')


def test_lines_are_found_again_after_an_edit_by_hand(run: Run, ported: Path, project: Path) -> None:
    ops = project / OPS
    ops.write_text("# mine\n" + ops.read_text())
    mine = run("explain", f"{OPS}:1").out
    assert "This line was written by hand after the port" in mine
    theirs = run("explain", f"{OPS}:4", "--json").json
    assert [reason["rule"] for reason in theirs["reasons"]] == ["mmcv/own-input"]
    assert (theirs["by_hand"], theirs["file_by_hand"]) == (False, True)


def test_a_rule_that_is_gone_still_explains_what_it_can(
    run: Run, ported: Path, project: Path
) -> None:
    (project / "rules/mmcv/own-input.toml").unlink()
    result = run("explain", f"{OPS}:3")
    assert result.code == 0
    assert "The catalog no longer has this rule" in result.out
    assert "  +    copied = x.clone()" in result.out.splitlines()


def test_a_rule_that_changed_since_says_so(run: Run, ported: Path, project: Path) -> None:
    rule = project / "rules/mmcv/own-input.toml"
    rule.write_text(rule.read_text().replace("a clone is plain", "a clone is not"))
    assert "The rule has changed since the port was made." in run("explain", f"{OPS}:3").out


def test_explain_as_json(run: Run, ported: Path) -> None:
    document = run("explain", f"{OPS}:4", "--json").json
    assert sorted(document) == [
        "by_hand",
        "edits",
        "file",
        "file_by_hand",
        "line",
        "package",
        "reasons",
        "target",
        "text",
        "version",
    ]
    (reason,) = document["reasons"]
    assert sorted(reason) == [
        "after",
        "before",
        "cases",
        "catalog",
        "changed",
        "kind",
        "lines",
        "rule",
        "source",
    ]
    assert reason["before"] == "    kernel(x,"
    assert reason["after"] == "    copied = x.clone()\n    kernel(copied,"


@pytest.mark.parametrize("damage", [Path.unlink, Path.touch], ids=["gone", "damaged"])
def test_kept_bytes_that_are_lost_leave_the_edit_itself(
    run: Run, ported: Path, damage: Callable[[Path], None]
) -> None:
    for path in (ported / ".porter/pristine").iterdir():
        path.unlink()
        path.touch()
        damage(path)
    document = run("explain", f"{OPS}:4", "--json").json
    (reason,) = document["reasons"]
    assert (reason["before"], reason["after"]) == (None, "copied = x.clone()\ncopied")


@pytest.mark.parametrize(
    ("place", "code", "message"),
    [
        pytest.param("mmcv/ops.py", 2, "error: mmcv/ops.py: not FILE:LINE", id="no line"),
        pytest.param("mmcv/ops.py:0", 2, "error: mmcv/ops.py:0: not FILE:LINE", id="line 0"),
        pytest.param("mmcv/ops.py:x", 2, "error: mmcv/ops.py:x: not FILE:LINE", id="no number"),
        pytest.param(
            "checkouts/mmcv/mmcv/ops.py:1",
            7,
            "error: checkouts/mmcv/mmcv/ops.py is in no ported tree",
            id="not in a ported tree",
        ),
        pytest.param(
            f"{OPS}:77", 2, f"error: {OPS}: no line 77: the file has 6", id="past the end"
        ),
        pytest.param(
            "vendor/mmcv/nothing.py:1",
            2,
            "error: no file vendor/mmcv/nothing.py in",
            id="no such file",
        ),
    ],
)
def test_bad_places(run: Run, ported: Path, place: str, code: int, message: str) -> None:
    result = run("explain", place)
    assert result.code == code
    assert result.err.startswith(message)


def test_a_folder_that_is_not_ported(run: Run) -> None:
    result = run("explain", "--into", "checkouts", "mmcv/ops.py:1")
    assert result.code == 7
    assert result.err.startswith("error: checkouts is not ported\nhint: `porter apply` ports it.")


def test_a_link_out_of_the_tree_is_not_followed(run: Run, ported: Path, project: Path) -> None:
    write_files(project, {"outside.py": "x = 1\n"})
    (ported / "mmcv/link.py").symlink_to(project / "outside.py")
    assert run("explain", "--into", "vendor", "mmcv/link.py:1").code == 2
