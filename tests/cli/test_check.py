"""``porter check``, as a user runs it."""

from __future__ import annotations

from pathlib import Path

from .conftest import Run


def test_a_table_of_promises_and_the_exit_code(run: Run, ported: Path) -> None:
    result = run("check", "--static")
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0] == "vendor: mmcv 98.1, mmengine 99.0, ported for chip"
    assert any(line.startswith("parameters  held     3 files") for line in lines)
    assert lines[-1] == "10 of 13 promises held, 0 broken"
    assert "skipped imports, behaviour, device: --static: nothing is run" in lines


def test_what_breaks_a_promise_is_told(run: Run, ported: Path) -> None:
    ops = ported / "mmcv/mmcv/ops.py"
    ops.write_text(ops.read_text().replace("def forward(x)", "def forward()"))
    result = run("check", "--static")
    assert result.code == 12
    assert "  mmcv: mmcv/ops.py: lost a parameter: forward(x) (rules: mmcv/own-input)" in result.out
    document = run("check", "--static", "--json").json
    assert document["broken"] == 1
    broken = [check for check in document["checks"] if check["state"] == "broken"]
    assert [check["name"] for check in broken] == ["parameters"]


def test_a_folder_that_is_not_ported(run: Run, project: Path) -> None:
    result = run("check", "--into", "checkouts")
    assert (result.code, result.err.splitlines()[0]) == (7, "error: checkouts is not ported")
