"""The Python that trains: what it is, and what it has.

porter asks it in a child process (``porter/training/probe.py``) and imports nothing of it.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.version import Version

import porter.training
from porter.errors import CouldNotRun

PROBE = Path(porter.training.__file__).with_name("probe.py")
OLDEST_PYTHON = "3.8"
#: Tecorigin's images have 2.0; the simulated chip asks for 2.1 itself.
OLDEST_TORCH = "2.0"
#: Seconds. Importing torch from a cold network disk can take more than one.
PATIENCE = 300
LAST_LINES = 6


@dataclass(frozen=True)
class Module:
    """One importable module of a Python.

    Attributes:
        version: Empty if it tells none.
        folder: Where it was found; empty if it was not.
        problem: Why it cannot be imported; empty if it can.
    """

    name: str
    version: str = ""
    folder: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Chip:
    """A device as that Python sees it.

    Attributes:
        plugin: The module that makes the device known; empty for none.
        plugin_version: Empty if it tells none.
        device: ``torch.device`` type that was asked for; empty for none.
        available: What ``torch.<device>.is_available()`` said.
        count: How many devices there are.
        name: Of the first one.
        problem: Why the plugin or the device cannot be used, in the words of its error.
    """

    plugin: str = ""
    plugin_version: str = ""
    device: str = ""
    available: bool = False
    count: int = 0
    name: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Interpreter:
    """A Python and what it has for training.

    Attributes:
        python: Its version, such as ``3.10.14``.
        torch: The version of its torch; empty if it cannot be imported.
        torch_folder: The folder of the package torch.
        torch_problem: Why torch cannot be imported; empty if it can.
        python_include: Where ``Python.h`` is, if it is there at all.
        ext_suffix: How names of its extension modules end.
        cxx11_abi: Whether torch was built with the C++11 ABI of libstdc++.
        cores: Processor cores that it may use.
        threads: Threads that torch uses by default.
        cuda: Whether ``torch.cuda`` is available.
        modules: Name -> what was found, installed mm packages among them.
    """

    executable: Path
    python: str
    torch: str
    torch_folder: Path
    torch_problem: str
    python_include: Path
    ext_suffix: str
    cxx11_abi: bool
    cores: int
    threads: int
    cuda: bool
    chip: Chip
    modules: Mapping[str, Module]

    def missing(self, names: Sequence[str]) -> tuple[Module, ...]:
        """Those of the modules that cannot be imported."""
        return tuple(self.modules[name] for name in names if self.modules[name].problem)

    @property
    def has_headers(self) -> bool:
        """Whether extension modules can be compiled for it."""
        return (self.python_include / "Python.h").is_file()


def probe(python: Path, *, plugin: str = "", device: str = "") -> Interpreter:
    """Ask a Python that is to train.

    Args:
        python: Its path, or a command's name.
        plugin: Module of the chip's plugin; imported there.
        device: ``torch.device`` type to look for.

    Raises:
        CouldNotRun: If it does not run or is too old, or has no torch or one too old.
    """
    found = survey(python, plugin=plugin, device=device)
    _check_torch(found)
    return found


def survey(
    python: Path, *, plugin: str = "", device: str = "", importing: bool = False
) -> Interpreter:
    """Ask a Python what it has, whatever that is.

    Args:
        importing: Import the modules too, which finds those that are broken.

    Raises:
        CouldNotRun: If it does not run, or is too old.
    """
    options = [f"--plugin={plugin}", f"--device={device}", *(["--import"] if importing else [])]
    command = [*_command(python), str(PROBE), *options]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=PATIENCE
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise CouldNotRun(f"{python} does not run: {problem}", hint=_HINT) from problem
    facts = _answer(python, done)
    _check_python(python, facts)
    return _interpreter(facts, plugin, device)


_HINT = "Name the Python that has torch with --python PATH."


def _command(python: Path) -> list[str]:
    """A bare name is looked up as a shell does; a link stays one, as environments are links."""
    found = shutil.which(str(python))
    if found is None:
        raise CouldNotRun(f"there is no Python {python}", hint=_HINT)
    return [str(Path(found).absolute())]


def _answer(python: Path, done: subprocess.CompletedProcess[str]) -> Mapping[str, Any]:
    try:
        facts = json.loads(done.stdout)
    except json.JSONDecodeError as problem:
        raise _no_answer(python, done) from problem
    if not isinstance(facts, dict):
        raise _no_answer(python, done)
    return facts


def _no_answer(python: Path, done: subprocess.CompletedProcess[str]) -> CouldNotRun:
    last = "\n".join((done.stderr or done.stdout).splitlines()[-LAST_LINES:])
    return CouldNotRun(
        f"{python} does not answer as a Python would: it ended with {done.returncode}\n{last}",
        hint=f"It has to be Python {OLDEST_PYTHON} or newer. {_HINT}",
    )


def _check_python(python: Path, facts: Mapping[str, Any]) -> None:
    if Version(facts["python"]) < Version(OLDEST_PYTHON):
        raise CouldNotRun(
            f"{python} is Python {facts['python']}: too old to train with",
            hint=f"Python {OLDEST_PYTHON} or newer is needed. {_HINT}",
        )


def _check_torch(found: Interpreter) -> None:
    if found.torch_problem:
        raise CouldNotRun(
            f"{found.executable} has no torch: {found.torch_problem}",
            hint=f"Install torch {OLDEST_TORCH} or newer there, or name another Python "
            "with --python PATH; `porter doctor` tells what else is missing.",
        )
    if not torch_is_new_enough(found.torch):
        raise CouldNotRun(
            f"{found.executable} has torch {found.torch}: too old to train with",
            hint=f"torch {OLDEST_TORCH} or newer is needed. {_HINT}",
        )


def torch_is_new_enough(version: str, oldest: str = OLDEST_TORCH) -> bool:
    """Whether a torch can train a port; vendors' versions such as ``2.1.0a0+git1`` too."""
    number = re.match(r"(\d+)\.(\d+)", version)
    return number is None or (int(number[1]), int(number[2])) >= Version(oldest).release


def _interpreter(facts: Mapping[str, Any], plugin: str, device: str) -> Interpreter:
    torch = facts["torch"]
    return Interpreter(
        executable=Path(facts["executable"]),
        python=facts["python"],
        torch=torch["version"],
        torch_folder=Path(torch["folder"]),
        torch_problem=torch["problem"],
        python_include=Path(facts["python_include"]),
        ext_suffix=facts["ext_suffix"],
        cxx11_abi=torch["cxx11_abi"],
        cores=facts["cores"],
        threads=torch["threads"],
        cuda=torch["cuda"],
        chip=Chip(plugin=plugin, device=device, **facts["chip"]),
        modules={name: Module(name, **module) for name, module in facts["modules"].items()},
    )
