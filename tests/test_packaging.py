"""The wheel and the sdist: what is in them, and every command as the wheel installs it."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

import porter

pytestmark = [pytest.mark.slow, pytest.mark.upstream]

ROOT = Path(__file__).parent.parent
DATA = {"rules": "porter/data/rules", "targets": "porter/data/targets"}

JOURNEY = [
    ("--help", "Usage: porter"),
    ("--version", porter.__version__),
    ("targets list", "Tecorigin T1 (SDAA)"),
    ("targets show sdaa", "tccl"),
    ("rules list", "mmcv/deform-conv-on-host"),
    ("rules show mmcv/deform-conv-on-host", "on_host"),
    ("rules test", "all hold"),
    ("schema rule", '"properties"'),
    ("schema target", '"properties"'),
    ("fetch --target sdaa", "Kept in the cache"),
    ("diff --target npu --stat", "lines added"),
    ("diff --target sdaa --html port.html", ""),
    ("apply --target sdaa --into vendor", "Ported for sdaa"),
    ("apply --target sdaa --into vendor", "nothing to do"),
    ("status --into vendor", "ported for sdaa"),
    ("explain vendor/mmcv/mmcv/ops/host_fallback.py:1", "mmcv/host-fallback"),
    ("revert --into vendor", "no longer ported"),
    ("models list", "With a recipe"),
    ("models show reppoints", "reppoints-moment_r50_fpn_1x_coco.py"),
    ("verify --help", "inconclusive"),
    ("train --help", "--resume-from"),
    ("eval --help", "--checkpoint"),
    ("sim --help", "dataset"),
    ("sim dataset coco", "32 images"),
]

#: Files that are no Python, and without which a command of the wheel would fail.
READ_AT_RUN_TIME = {
    "porter/verify/models/recipes/aliases.toml",
    "porter/verify/models/recipes/reppoints.toml",
    "porter/verify/ops/old_dispatch.hpp",
    "porter/sim/chip.cpp",
    "porter/source/pins.toml",
    "porter/render/page.css",
    "porter/render/page.html",
    "porter/render/report_page.css",
    "porter/render/report_page.html",
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and with the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("dist")
    done("python", "-m", "build", "--outdir", str(folder), str(ROOT))
    return folder


def done(
    *command: str, cwd: Path | None = None, env: Mapping[str, str] | None = None, code: int = 0
) -> str:
    """What a command printed. ``python`` is this one; it had better end with the exit code."""
    words = [sys.executable if command[0] == "python" else command[0], *command[1:]]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ran = subprocess.run(
        words, cwd=cwd, env=environment | dict(env or {}), capture_output=True, text=True
    )
    assert ran.returncode == code, f"{' '.join(command)}\n{ran.stdout}{ran.stderr}"
    return ran.stdout


def files_under(folder: str) -> set[str]:
    """The files of the checkout that a release carries, relative to its root."""
    paths = (path for path in (ROOT / folder).rglob("*") if path.is_file())
    return {
        path.relative_to(ROOT).as_posix() for path in paths if not {"__pycache__"} & {*path.parts}
    }


def test_the_wheel_has_the_package_its_rules_and_targets_and_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    about = {name for name in names if ".dist-info/" in name}
    assert names - about == files_under("porter") | {
        f"{there}{path.removeprefix(here)}"
        for here, there in DATA.items()
        for path in files_under(here)
    }
    assert [name for name in about if name.endswith("/licenses/LICENSE")] != []
    assert names >= READ_AT_RUN_TIME


def test_the_sdist_has_what_building_testing_and_reading_take(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {member.name.partition("/")[2] for member in archive}
    folders = {"porter", "rules", "targets", "fixtures", "tests", "docs"}
    files = {
        "pyproject.toml",
        "Makefile",
        "LICENSE",
        "README.md",
        "README_zh-CN.md",
        "CHANGELOG.md",
    }
    assert set().union(files, *map(files_under, folders)) <= names
    tops = {name.partition("/")[0] for name in names}
    assert tops <= {*folders, *files, "PKG-INFO", ".gitignore"}


def test_the_wheel_alone_runs_every_command_from_any_folder(
    built: Path, upstream_cache: Path, tmp_path: Path
) -> None:
    (wheel,) = built.glob("*.whl")
    environment, elsewhere = tmp_path / "environment", tmp_path / "elsewhere"
    done("python", "-m", "venv", "--without-pip", str(environment))
    python = str(environment / "bin" / "python")
    done("python", "-m", "pip", "--python", python, "install", "--quiet", str(wheel))
    elsewhere.mkdir()
    command = str(environment / "bin" / "porter")
    where = {"PORTER_CACHE": str(upstream_cache)}
    for words, said in JOURNEY:
        assert said in done(command, *words.split(), cwd=elsewhere, env=where)
    assert "</html>" in (elsewhere / "port.html").read_text(encoding="utf-8")
    assert (elsewhere / "coco" / "annotations" / "instances_val2017.json").is_file()
    # The environment has no torch, and the doctor says how to get it.
    assert "pip install torch" in done(command, "doctor", cwd=elsewhere, env=where, code=22)
    place = done(python, "-c", "import porter; print(porter.__file__)", cwd=elsewhere)
    assert Path(place.strip()).is_relative_to(environment)
