"""The doctor: what is there, where a verification would train, and what is to be installed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from porter.rulebook.catalog import get_target
from porter.source.cache import Cache
from porter.training.probe import INSTALLED, MODULES
from porter.verify.launch import host
from porter.verify.launch.doctor import Diagnosis, diagnose
from porter.verify.launch.host import Fact, size

from .test_interpreter import FACTS, answers, fake_python

HERE = {"version": "1.0", "folder": "/opt/chip/x", "problem": ""}
ABSENT = {"version": "", "folder": "", "problem": "not installed"}
NO_PLUGIN = {"problem": "ModuleNotFoundError: No module named 'torch_sdaa'", "available": False}


@pytest.fixture
def whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a Python answers that has all that is needed, on a machine that has it too."""
    (tmp_path / "include").mkdir()
    (tmp_path / "include/Python.h").touch()
    compiler = fake_python(tmp_path, "echo compiler 12.2").rename(tmp_path / "g++")
    monkeypatch.setenv("CXX", str(compiler))
    monkeypatch.setattr(host, "LITTLE_DISK", 0)
    modules = {**dict.fromkeys(MODULES, HERE), **dict.fromkeys(INSTALLED, ABSENT)}
    chip = {"plugin_version": "1.6", "available": True, "count": 4, "name": "T1", "problem": ""}
    return {**FACTS, "python_include": str(tmp_path / "include"), "modules": modules, "chip": chip}


def seen(folder: Path, facts: Any, target: str = "sdaa") -> Diagnosis:
    chip = get_target(target) if target else None
    return diagnose(answers(folder, facts), Cache(folder / "cache"), chip)


def fact(found: Diagnosis, name: str) -> Fact:
    return next(fact for fact in found.facts if fact.name == name)


def problems(found: Diagnosis) -> dict[str, str]:
    return {way.place: way.problem for way in found.ways}


def without(facts: dict[str, Any], **modules: Any) -> dict[str, Any]:
    return {**facts, "modules": {**facts["modules"], **modules}}


def test_the_chip_itself_is_taken_where_it_is(tmp_path: Path, whole: dict[str, Any]) -> None:
    found = seen(tmp_path, whole)
    assert (found.ready, found.chosen, found.remedies) == (True, "real", ())
    assert found.ways[0].detail == "4 devices, T1, torch_sdaa 1.6"
    assert problems(found) == {"real": "", "sim": "the chip itself is there", "cpu": ""}


def test_without_its_plugin_the_chip_is_simulated(tmp_path: Path, whole: dict[str, Any]) -> None:
    facts = {**whole, "chip": {**whole["chip"], **NO_PLUGIN}}
    found = seen(tmp_path, facts)
    assert (found.ready, found.chosen) == (True, "sim")
    assert problems(found)["real"] == NO_PLUGIN["problem"]


def test_a_cuda_compatible_chip_is_the_host_without_cuda(
    tmp_path: Path, whole: dict[str, Any]
) -> None:
    found = seen(tmp_path, whole, "bi_v150")
    assert (found.ready, found.chosen) == (True, "cpu")
    assert problems(found) == {
        "real": "its torch says that CUDA is not available",
        "sim": "the device 'cuda' is PyTorch's own, and no plugin's",
        "cpu": "",
    }


def test_without_a_chips_name_nothing_is_chosen(tmp_path: Path, whole: dict[str, Any]) -> None:
    found = seen(tmp_path, whole, target="")
    assert (found.ready, found.chosen) == (True, None)
    assert problems(found) == {"sim": "", "cpu": ""}


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"python": "3.8.10"}, "it takes Python 3.10, and this one is 3.8.10"),
        (
            {"torch": {**FACTS["torch"], "version": "2.0.0a0+git"}},
            "it takes torch 2.1, and this one is 2.0.0a0+git",
        ),
    ],
)
def test_what_cannot_simulate_is_not_ready_though_it_could_train(
    tmp_path: Path, whole: dict[str, Any], changed: dict[str, Any], problem: str
) -> None:
    chip = {**whole["chip"], **NO_PLUGIN}
    found = seen(tmp_path, {**whole, **changed, "chip": chip})
    assert (found.ready, found.chosen) == (False, "sim")
    assert problems(found)["sim"] == problem
    assert seen(tmp_path, {**whole, **changed}).ready, "with the chip itself it is"


def test_no_torch_is_one_thing_to_install(tmp_path: Path, whole: dict[str, Any]) -> None:
    torch = {**whole["torch"], "version": "", "problem": "ImportError: libc10.so"}
    found = seen(tmp_path, {**whole, "torch": torch})
    assert (found.ready, fact(found, "torch").value) == (False, "ImportError: libc10.so")
    assert set(problems(found).values()) == {"there is no torch"}
    assert found.remedies[0].startswith("/opt/chip/bin/python -m pip install torch ")


def test_modules_are_installed_by_the_names_of_their_distributions(
    tmp_path: Path, whole: dict[str, Any]
) -> None:
    broken = {**HERE, "problem": "ImportError: libGL.so.1"}
    found = seen(tmp_path, without(whole, cv2=broken, yaml=ABSENT, shapely=ABSENT))
    assert fact(found, "Modules") == Fact(
        "Modules",
        "10 of the 13 that mmdet imports\nnot installed: yaml, shapely\n"
        "cv2 fails: ImportError: libGL.so.1",
        "bad",
    )
    assert found.remedies == (
        "/opt/chip/bin/python -m pip install opencv-python-headless PyYAML shapely",
    )


def test_what_porter_needs_there_is_asked_for_only_to_simulate(
    tmp_path: Path, whole: dict[str, Any]
) -> None:
    facts = without(whole, filelock=ABSENT, tomli=ABSENT)
    assert seen(tmp_path, facts).remedies == ()
    found = seen(tmp_path, {**facts, "chip": {**whole["chip"], **NO_PLUGIN}})
    assert problems(found)["sim"] == "porter needs filelock, tomli there"
    assert found.remedies == ("/opt/chip/bin/python -m pip install filelock tomli",)


def test_installed_mm_packages_are_told(tmp_path: Path, whole: dict[str, Any]) -> None:
    found = seen(tmp_path, without(whole, mmcv={**HERE, "folder": "/opt/mmcv"}))
    assert fact(found, "Installed").value.startswith("mmcv 1.0 in /opt/mmcv\n")
    assert all(fact.name != "Installed" for fact in seen(tmp_path, whole).facts)


def test_a_python_that_is_none(tmp_path: Path, whole: dict[str, Any]) -> None:
    found = diagnose(Path("/nowhere/python"), Cache(tmp_path / "cache"))
    assert not found.ready
    assert fact(found, "Python").value == "there is no Python /nowhere/python"
    assert "--python" in found.remedies[0]
    assert fact(found, "Compiler").state == "good"


def test_the_headers_and_the_compiler_are_needed(
    tmp_path: Path, whole: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    found = seen(tmp_path, {**whole, "python_include": "/nowhere"})
    assert not found.ready
    assert [one.name for one in found.facts if one.state == "bad"] == ["Python.h", "Compiler"]
    assert len(found.remedies) == 2


def test_a_cache_that_cannot_be_written(tmp_path: Path, whole: dict[str, Any]) -> None:
    (tmp_path / "cache").touch()
    found = seen(tmp_path, whole)
    assert (found.ready, fact(found, "Cache").state) == (False, "bad")
    assert "PORTER_CACHE" in found.remedies[0]


def test_the_cache_tells_how_much_it_holds(tmp_path: Path, whole: dict[str, Any]) -> None:
    (tmp_path / "cache/trees").mkdir(parents=True)
    (tmp_path / "cache/trees/file").write_bytes(bytes(2500))
    assert fact(seen(tmp_path, whole), "Cache").value.endswith("cache holds 2.5 kB")


def test_little_disk_is_a_note(
    tmp_path: Path, whole: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "LITTLE_DISK", 1 << 80)
    found = seen(tmp_path, whole)
    assert (found.ready, fact(found, "Disk").state) == (True, "note")


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 bytes"), (1500, "1.5 kB"), (2_000_000, "2.0 MB"), (3 << 30, "3.2 GB")],
)
def test_sizes(count: int, words: str) -> None:
    assert size(count) == words


@pytest.mark.torch
def test_this_machine_can_verify(tmp_path: Path) -> None:
    found = diagnose(Path(sys.executable), Cache(tmp_path), get_target("sdaa"))
    assert found.chosen == "sim"
    assert problems(found)["cpu"] == ""
    assert json.dumps([one.value for one in found.facts])
