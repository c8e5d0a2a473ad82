"""``porter export``, as a user runs it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from .conftest import CHECKOUTS, Run, write_files


def test_patches_are_listed_and_can_be_put_on_as_told(
    run: Run, ported: Path, project: Path
) -> None:
    result = run("export", "--out", "patches")
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0] == "patches: the port of mmcv 98.1, mmengine 99.0 to chip"
    assert "0002-mmcv-own-input.patch" in result.out
    assert "3 steps, 3 files" in lines
    command = lines[-1].partition(": ")[2]
    if shutil.which("patch") is None:
        pytest.skip("no patch here")
    write_files(project / "fresh", CHECKOUTS)
    told = command.replace("patches/", "../patches/")
    subprocess.run(["sh", "-ec", told], cwd=project / "fresh", check=True, capture_output=True)
    for name in (*CHECKOUTS, "mmcv/mmcv/ported.py"):
        assert (project / "fresh" / name).read_bytes() == (ported / name).read_bytes()


def test_the_reason_is_in_the_patch(run: Run, ported: Path, project: Path) -> None:
    run("export", "--out", "patches")
    text = (project / "patches/0002-mmcv-own-input.patch").read_text()
    assert "Subject: [PATCH 2/3] Port to chip: mmcv/own-input\n" in text
    assert "The kernel misreads the inner layout; a clone is plain.\n" in text
    assert "Source: our own test\nVersions: mmcv >=98\nMade for: mmcv 98.1, mmengine 99.0\n" in text


def test_an_overlay_and_a_branch_say_what_is_next(run: Run, ported: Path) -> None:
    overlay = run("export", "--as", "overlay", "--out", "o", "--package", "mmcv").out
    assert overlay.splitlines()[-1] == "On the pristine package: cp -r o/mmcv_need/. mmcv/"
    branch = run("export", "--as", "git", "--out", "g").out
    assert branch.splitlines()[-1] == "Review: git -C g log --stat porter/chip"


def test_errors_are_one_line_and_leave_nothing(run: Run, ported: Path, project: Path) -> None:
    (project / "there").mkdir()
    result = run("export", "--out", "there")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("error: --out there: there is something already\nhint: ")
    ops = ported / "mmcv/mmcv/ops.py"
    ops.write_text(ops.read_text() + "# mine\n")
    result = run("export", "--out", "new")
    assert result.code == 7
    assert "--keep-edits" in result.err
    assert not (project / "new").exists()
    assert (
        run("export", "--out", "new", "--keep-edits", "--json").json["steps"][-1]["name"]
        == "by-hand"
    )
