"""The chip is compiled once, by whoever comes first, and a failed build says why."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from porter.errors import CouldNotRun
from porter.sim.build import find_compiler, version_number
from porter.source.cache import Cache
from tests.sim.conftest import ROOT

BUILD = "from porter.sim import build_chip; print(build_chip())"


@pytest.fixture
def compiler(tmp_path: Path) -> Any:
    """A compiler made of shell lines; its calls are counted in a file beside it."""

    def make(script: str) -> Path:
        path = tmp_path / "compiler"
        path.write_text(f'#!/bin/sh\necho call >> "{tmp_path}/calls"\n{script}\n', encoding="utf-8")
        path.chmod(0o755)
        return path

    return make


#: Writes what is named after -o.
WRITES = 'while [ "$1" != -o ]; do shift; done\necho built > "$2"'


@pytest.mark.parametrize(
    ("version", "number"),
    [("2.1.0", 201), ("2.13.0+cpu", 213), ("2.7.1a0+git1", 207), ("3.0.1", 300)],
)
def test_versions_are_ordered(version: str, number: int) -> None:
    assert version_number(version) == number


def test_no_compiler_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(CouldNotRun, match="no C\\+\\+ compiler") as caught:
        find_compiler()
    assert "g++" in caught.value.hint
    assert caught.value.exit_code == 22


def test_cxx_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(CouldNotRun, match="CXX names 'no-such-compiler'"):
        find_compiler()


@pytest.mark.torch
def test_the_command_line_says_it_in_two_lines(
    python: Any, tmp_path: Path, make_target: Any
) -> None:
    arguments = ("-m", "porter.sim", "--target", make_target(""), __file__)
    done = python(*arguments, PORTER_CACHE=str(tmp_path), CXX="no-such-compiler")
    assert done.returncode == 22
    assert done.stderr.splitlines()[0].startswith(
        "could not run: the simulated chip has to be compiled once"
    )
    assert "Traceback" not in done.stderr


@pytest.mark.torch
def test_a_failed_build_shows_the_compilers_last_lines(
    python: Any, tmp_path: Path, compiler: Any
) -> None:
    fails = compiler("for i in $(seq 40); do echo line $i >&2; done\nexit 3")
    done = python("-c", BUILD, PORTER_CACHE=str(tmp_path / "cache"), CXX=str(fails))
    assert "ended with 3" in done.stderr
    assert "line 40" in done.stderr
    assert "line 20\n" not in done.stderr
    assert list((tmp_path / "cache" / "sim").iterdir()) == []


@pytest.mark.torch
def test_one_build_serves_all_who_ask_at_once(tmp_path: Path, compiler: Any) -> None:
    env = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PORTER_CACHE": str(tmp_path / "cache"),
        "CXX": str(compiler(f"sleep 2\n{WRITES}")),
    }
    runs = [
        subprocess.Popen([sys.executable, "-c", BUILD], env=env, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    paths = {run.communicate()[0] for run in runs}
    assert len(paths) == 1
    assert Path(paths.pop().strip()).read_text(encoding="utf-8") == "built\n"
    assert (tmp_path / "calls").read_text(encoding="utf-8") == "call\n"


@pytest.mark.torch
def test_a_killed_build_leaves_nothing_in_the_way(
    python: Any, tmp_path: Path, compiler: Any
) -> None:
    cache = tmp_path / "cache"
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PORTER_CACHE": str(cache)}
    slow = {**env, "CXX": str(compiler(f"{WRITES}\nsleep 60"))}
    killed = subprocess.Popen([sys.executable, "-c", BUILD], env=slow, start_new_session=True)
    deadline = time.monotonic() + 60
    while not list(cache.glob("sim/*.part")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert list(cache.glob("sim/*.part"))
    assert not list(cache.glob("sim/*.so"))
    done = python("-c", BUILD, PORTER_CACHE=str(cache), CXX=str(compiler(WRITES)))
    assert done.returncode == 0, done.stderr
    assert [path.suffix for path in (cache / "sim").iterdir()] == [".so"]


@pytest.mark.torch
def test_a_library_that_cannot_be_loaded_is_named(
    python: Any, tmp_path: Path, compiler: Any, make_target: Any
) -> None:
    arguments = ("-m", "porter.sim", "--target", make_target(""), __file__)
    done = python(*arguments, PORTER_CACHE=str(tmp_path / "cache"), CXX=str(compiler(WRITES)))
    assert done.returncode == 22
    assert "cannot be loaded" in done.stderr
    assert "to have it built again" in done.stderr


def test_the_cache_folder_is_porters_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PORTER_CACHE", str(tmp_path))
    assert Cache().root == tmp_path
