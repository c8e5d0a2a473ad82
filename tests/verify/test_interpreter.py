"""What porter learns of the Python that trains, and what it says of one that cannot."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from porter.errors import CouldNotRun
from porter.verify.launch.interpreter import PROBE, probe, survey, torch_is_new_enough

pytestmark = pytest.mark.slow

PLUGIN = Path(__file__).parents[1] / "ports" / "plugin"

FACTS: dict[str, Any] = {
    "executable": "/opt/chip/bin/python",
    "python": "3.10.14",
    "python_include": "/opt/chip/include",
    "ext_suffix": ".so",
    "cores": 8,
    "torch": {
        "version": "2.1.0a0+git1",
        "folder": "/opt/chip/torch",
        "cxx11_abi": False,
        "threads": 4,
        "cuda": False,
        "problem": "",
    },
    "chip": {"plugin_version": "1.6", "available": True, "count": 4, "name": "T1", "problem": ""},
    "modules": {"numpy": {"version": "1.26", "folder": "/opt/chip/numpy", "problem": ""}},
}


def fake_python(folder: Path, script: str) -> Path:
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def answers(folder: Path, facts: Any) -> Path:
    (folder / "facts.json").write_text(json.dumps(facts), encoding="utf-8")
    return fake_python(folder, f'cat "{folder}/facts.json"')


def test_the_answer_becomes_an_interpreter(tmp_path: Path) -> None:
    found = probe(answers(tmp_path, FACTS), plugin="torch_sdaa", device="sdaa")
    assert found.executable == Path("/opt/chip/bin/python")
    assert (found.torch, found.cxx11_abi, found.ext_suffix) == ("2.1.0a0+git1", False, ".so")
    assert (found.chip.plugin, found.chip.device, found.chip.count) == ("torch_sdaa", "sdaa", 4)
    assert found.modules["numpy"].version == "1.26"
    assert found.missing(["numpy"]) == ()
    assert not found.has_headers


def test_the_probe_is_told_what_to_look_for(tmp_path: Path) -> None:
    (tmp_path / "facts.json").write_text(json.dumps(FACTS), encoding="utf-8")
    log = tmp_path / "words"
    python = fake_python(tmp_path, f'echo "$@" > "{log}"; cat "{tmp_path}/facts.json"')
    probe(python, plugin="torch_sdaa", device="sdaa")
    assert log.read_text() == f"{PROBE} --plugin=torch_sdaa --device=sdaa\n"


def test_a_bare_name_is_looked_up_as_a_shell_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(tmp_path, FACTS).rename(tmp_path / "python-of-chip")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert probe(Path("python-of-chip")).python == "3.10.14"


def without_torch(problem: str, version: str = "") -> dict[str, Any]:
    return {**FACTS, "torch": {**FACTS["torch"], "version": version, "problem": problem}}


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        pytest.param({**FACTS, "python": "3.7.9"}, "is Python 3.7.9: too old", id="old Python"),
        pytest.param(without_torch("no torch"), "has no torch: no torch", id="no torch"),
        pytest.param(without_torch("", "1.13.1"), "has torch 1.13.1: too old", id="old torch"),
        pytest.param([1], "does not answer as a Python would", id="something else"),
    ],
)
def test_a_python_that_cannot_train(tmp_path: Path, facts: Any, message: str) -> None:
    with pytest.raises(CouldNotRun, match=message) as caught:
        probe(answers(tmp_path, facts))
    assert "--python" in caught.value.hint


def test_a_python_that_is_too_old_for_the_probe_shows_its_last_words(tmp_path: Path) -> None:
    python = fake_python(tmp_path, "echo 'SyntaxError: future feature' >&2; exit 1")
    with pytest.raises(CouldNotRun, match="ended with 1\nSyntaxError: future") as caught:
        probe(python)
    assert "Python 3.8 or newer" in caught.value.hint


def test_a_python_that_is_not_there() -> None:
    with pytest.raises(CouldNotRun, match="there is no Python /nowhere/python"):
        probe(Path("/nowhere/python"))


def test_a_file_that_the_system_cannot_run(tmp_path: Path) -> None:
    path = tmp_path / "python"
    path.write_bytes(b"\x7fELFbroken")
    path.chmod(0o755)
    with pytest.raises(CouldNotRun, match="does not run"):
        probe(path)


def test_a_survey_tells_what_is_missing_and_raises_nothing(tmp_path: Path) -> None:
    found = survey(answers(tmp_path, without_torch("ImportError: libc10.so")))
    assert (found.torch, found.torch_problem) == ("", "ImportError: libc10.so")


@pytest.mark.parametrize(
    ("version", "enough"),
    [
        ("2.13.0+cpu", True),
        ("2.0.0a0+gitdfe6533", True),
        ("1.13.1", False),
        ("built by hand", True),
    ],
)
def test_versions_of_torch(version: str, enough: bool) -> None:
    assert torch_is_new_enough(version) == enough


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of modules that this Python finds before all others."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    return tmp_path


def test_a_plugin_that_fails_and_prints_is_told_in_its_own_words(modules: Path) -> None:
    code = "import os\nos.system('echo banner')\nraise OSError('libsdaa.so: no such file')\n"
    (modules / "torch_broken.py").write_text(code)
    chip = survey(Path(sys.executable), plugin="torch_broken").chip
    assert (chip.available, chip.problem) == (False, "OSError: libsdaa.so: no such file")


def test_a_module_that_is_found_and_broken_is_seen_by_importing_it(modules: Path) -> None:
    (modules / "cv2.py").write_text("raise ImportError('libGL.so.1: no such file')\n")
    here = Path(sys.executable)
    assert survey(here).modules["cv2"].problem == ""
    found = survey(here, importing=True).modules["cv2"]
    assert (found.problem, found.folder) == ("ImportError: libGL.so.1: no such file", str(modules))


def test_installed_mm_packages_are_found_and_not_imported(modules: Path) -> None:
    (modules / "mmcv").mkdir()
    (modules / "mmcv/__init__.py").write_text("raise RuntimeError\n")
    found = survey(Path(sys.executable), importing=True).modules["mmcv"]
    assert (found.problem, found.folder) == ("", str(modules / "mmcv"))


def test_modules_beside_the_probe_hide_no_others(tmp_path: Path) -> None:
    """The probe's own folder is the script's, and Python puts that first on the path."""
    beside = tmp_path / "porter"
    beside.mkdir()
    (beside / "probe.py").write_bytes(PROBE.read_bytes())
    (beside / "packaging.py").write_text("raise RuntimeError\n")
    command = fake_python(tmp_path, f'shift; exec "{sys.executable}" "{beside}/probe.py" "$@"')
    assert survey(command, importing=True).modules["packaging"].problem == ""


@pytest.mark.torch
def test_this_python_and_its_torch() -> None:
    import torch

    found = probe(Path(sys.executable))
    assert found.torch == torch.__version__
    assert found.torch_folder == Path(torch.__file__).parent
    assert found.modules["numpy"].version
    assert found.cores >= 1


@pytest.mark.torch
def test_a_plugin_whose_device_has_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(PLUGIN), prepend=":")
    chip = probe(Path(sys.executable), plugin="torch_sdaa", device="sdaa").chip
    assert (chip.problem, chip.available, chip.count) == ("", True, 4)
    assert chip.name == "unnamed (RuntimeError: not usable in torch_sdaa 1.5)"
