"""``make`` on a machine that lacks something: one clear line, before anything is downloaded."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """An environment where porter is installed, as far as make can tell, and torch is not."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    (tmp_path / ".installed").touch()
    return tmp_path


def make(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = ["make", "--no-print-directory", *words]
    given = {**os.environ, **variables}
    return subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True)


def test_a_demo_without_a_compiler_says_how_to_get_one(environment: Path) -> None:
    done = make("demo", f"VENV={environment}", CXX="no-such-compiler")
    assert done.returncode != 0
    first = done.stderr.splitlines()[0]
    assert "there is no C++ compiler" in first
    assert "apt-get install g++" in first
    assert done.stdout == ""


def test_an_old_python_is_told_so(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text(
        f"#!/bin/sh\nexec {sys.executable} -c 'import sys; sys.version_info = (3, 8)\n"
        'exec(sys.argv[2])\' "$@"\n'
    )
    old.chmod(0o755)
    done = make("demo", f"VENV={tmp_path / 'venv'}", f"PYTHON={old}")
    assert done.returncode != 0
    assert "porter needs Python 3.10 or newer" in done.stderr
    assert not (tmp_path / "venv").exists()
