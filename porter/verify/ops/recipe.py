"""All that a build of mmcv's operators is made from, and its name in the cache."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from packaging.version import InvalidVersion, Version

from porter.errors import CouldNotRun
from porter.sim.build import find_compiler
from porter.verify.ops.sources import CSRC, HEADER_FOLDERS, read_headers, read_sources
from porter.verify.ops.units import Unit, plan_units

#: Changed when what is made from the same files changes in a way that the digest does not see.
FORMAT = 1
MODULE = "_ext"
#: mmcv's own setup asks for C++14 up to this torch, and for C++17 after it.
LAST_FOR_CXX14 = Version("1.12.1")
#: Lets a torch that has forgotten it take what mmcv before 1.3 gives it.
OLD_DISPATCH = Path(__file__).with_name("old_dispatch.hpp")
LIBRARIES = ("torch_python", "torch", "torch_cpu", "c10")


class Toolchain(Protocol):
    """What has to be known of a Python to compile for it; ``Interpreter`` knows it."""

    @property
    def executable(self) -> Path:
        """The program."""

    @property
    def torch(self) -> str:
        """Version of its torch."""

    @property
    def torch_folder(self) -> Path:
        """Folder of its package torch."""

    @property
    def python_include(self) -> Path:
        """Folder that ``Python.h`` should be in."""

    @property
    def ext_suffix(self) -> str:
        """How names of its extension modules end."""

    @property
    def cxx11_abi(self) -> bool:
        """Whether its torch was built with the C++11 ABI of libstdc++."""


@dataclass(frozen=True)
class Recipe:
    """One build: sources, how they are grouped, compiler and options.

    Attributes:
        csrc: Folder of the sources, absolute.
        compiler: Path of the compiler.
        compiler_version: The first line of what it says about itself.
        units: In the order to compile them in.
    """

    csrc: Path
    python: Toolchain
    compiler: str
    compiler_version: str
    units: tuple[Unit, ...]

    @property
    def module(self) -> str:
        """File name of the module."""
        return f"{MODULE}{self.python.ext_suffix}"

    @cached_property
    def name(self) -> str:
        """Of the folder in the cache: it tells torch's version, and a digest of everything."""
        return f"mmcv-torch-{self.python.torch}-{self._digest()}"

    @property
    def files(self) -> int:
        """How many of mmcv's files are compiled."""
        return sum(len(unit.sources) for unit in self.units)

    def compile_command(self, unit: Unit) -> list[str]:
        """Compiles a unit in the current folder, which holds its file, to an object file."""
        options = [*self._options, unit.optimization, *self._includes]
        if self._helps(unit):
            options += ["-include", str(OLD_DISPATCH)]
        return [self.compiler, *options, "-c", f"{unit.name}.cpp", "-o", f"{unit.name}.o"]

    def link_command(self, units: Sequence[Unit], output: Path) -> list[str]:
        """Links the object files of units, from the current folder."""
        objects = sorted(f"{unit.name}.o" for unit in units)
        return [self.compiler, "-shared", *objects, "-o", str(output), *self._link_options]

    @property
    def _options(self) -> list[str]:
        return [
            _standard(self.python.torch),
            "-w",
            "-fPIC",
            *("-fwrapv", "-DNDEBUG"),  # as Python's own build of extension modules
            f"-DTORCH_EXTENSION_NAME={MODULE}",
            "-DTORCH_API_INCLUDE_EXTENSION_H",
            f"-D_GLIBCXX_USE_CXX11_ABI={int(self.python.cxx11_abi)}",
        ]

    @property
    def _includes(self) -> list[str]:
        torch = self.python.torch_folder / "include"
        system = (torch, torch / "torch/csrc/api/include", self.python.python_include)
        return [
            f"-ffile-prefix-map={self.csrc}=csrc",  # torch's messages name files by path
            *("-iquote", str(self.csrc)),
            *(f"-I{self.csrc / folder}" for folder in HEADER_FOLDERS),
            *(word for folder in system for word in ("-isystem", str(folder))),
        ]

    def _helps(self, unit: Unit) -> bool:
        """Whether a unit asks torch for the old way of dispatching, and torch has it no more."""
        dispatch = self.python.torch_folder / "include/ATen/Dispatch.h"
        return (
            any(source.old_dispatch for source in unit.sources)
            and dispatch.is_file()
            and "DeprecatedTypeProperties" not in dispatch.read_text(encoding="utf-8")
        )

    @property
    def _link_options(self) -> list[str]:
        library = self.python.torch_folder / "lib"
        return [f"-L{library}", *(f"-l{name}" for name in LIBRARIES), f"-Wl,-rpath,{library}"]

    def _digest(self) -> str:
        parts = {
            "format": FORMAT,
            "files": {path.relative_to(self.csrc).as_posix(): _hash(path) for path in self._used()},
            "units": [(unit.name, unit.optimization, unit.text) for unit in self.units],
            "helped": [_hash(OLD_DISPATCH) for unit in self.units if self._helps(unit)],
            "options": [*self._options, *self._link_options],
            "compiler": [self.compiler, self.compiler_version],
            "torch": [self.python.torch, str(self.python.torch_folder)],
            "python": [self.python.ext_suffix, str(self.python.python_include)],
            "machine": platform.machine(),
        }
        text = json.dumps(parts, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def _used(self) -> list[Path]:
        sources = (self.csrc / source.name for unit in self.units for source in unit.sources)
        return [*sources, *read_headers(self.csrc)]


def make_recipe(mmcv_root: Path, python: Toolchain) -> Recipe:
    """How the operators of this tree are built for this Python.

    Raises:
        CouldNotRun: If there is no compiler, no ``Python.h``, or the tree has no operators.
    """
    csrc = (mmcv_root / CSRC).absolute()
    sources = read_sources(csrc)
    if not any(source.binds for source in sources):
        raise CouldNotRun(
            f"{mmcv_root} has no operators to compile: there is no C++ in {CSRC.as_posix()}",
            hint="It should be the source of mmcv, as `porter apply` and the package index have "
            "it; mmcv-lite and wheels lack the C++ files.",
        )
    if not (python.python_include / "Python.h").is_file():
        raise CouldNotRun(
            f"mmcv's operators cannot be compiled for {python.executable}: "
            f"{python.python_include} has no Python.h",
            hint="Install Python's headers (apt-get install python3-dev, dnf install "
            "python3-devel).",
        )
    compiler = find_compiler("mmcv's operator module")
    return Recipe(csrc, python, compiler, _ask_version(compiler), plan_units(sources))


def _standard(torch: str) -> str:
    try:
        old = Version(torch) <= LAST_FOR_CXX14
    except InvalidVersion:
        old = False
    return "-std=c++14" if old else "-std=c++17"


def _ask_version(compiler: str) -> str:
    done = subprocess.run(
        [compiler, "--version"],
        capture_output=True,
        text=True,
        errors="replace",
        env={**os.environ, "LC_ALL": "C"},
    )
    return (done.stdout.splitlines() or [""])[0]


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
