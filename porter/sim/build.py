"""Compiling the simulated chip, once for each torch, and keeping what was compiled.

The library's name holds a digest of all it was made from, so a stale one is never loaded. A
build writes beside its place and renames; a killed build leaves a scrap that the next one
sweeps away under the same lock.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from porter.errors import CouldNotRun
from porter.source.cache import Cache

SOURCE = Path(__file__).with_name("chip.cpp")
COMPILERS = ("g++", "c++", "clang++")
LAST_LINES = 15


def build_chip(cache: Cache | None = None) -> Path:
    """The compiled library for the torch of this process, built now if there is none.

    Raises:
        CouldNotRun: If there is no torch, no C++ compiler, or the build fails.
        WriteError: If the cache folder cannot be written.
    """
    torch = import_torch()
    cache = cache or Cache()
    flags = _flags(torch)
    library = cache.root / "sim" / f"chip-{torch.__version__}-{_digest(torch, flags)}.so"
    if library.exists():
        return library
    with cache.lock(library.name), cache.writing():
        if not library.exists():
            library.parent.mkdir(parents=True, exist_ok=True)
            _compile(library, flags, Path(torch.__file__).parent)
    return library


def import_torch() -> Any:
    """The torch module.

    Raises:
        CouldNotRun: If torch is missing or older than 2.1.
    """
    try:
        import torch
    except ImportError as problem:
        raise CouldNotRun(
            f"torch cannot be imported: {problem}", hint="Install torch 2.1 or newer."
        ) from problem
    if version_number(torch.__version__) < 201:
        raise CouldNotRun(
            f"torch {torch.__version__} is too old to simulate a chip on",
            hint="Install torch 2.1 or newer.",
        )
    return torch


def version_number(version: str) -> int:
    """``2.13.0+cpu`` as 213: a hundred for each major version, one for each minor."""
    major, minor = version.split(".")[:2]
    return 100 * int(major) + int(minor)


def _flags(torch: Any) -> list[str]:
    number = version_number(torch.__version__)
    return [
        "-std=c++20" if number >= 210 else "-std=c++17",
        "-O1",
        "-w",
        "-fPIC",
        "-shared",
        f"-DPORTER_TORCH={number}",
        f"-D_GLIBCXX_USE_CXX11_ABI={int(torch._C._GLIBCXX_USE_CXX11_ABI)}",
    ]


def _digest(torch: Any, flags: Sequence[str]) -> str:
    parts = [SOURCE.read_bytes(), " ".join(flags).encode(), platform.machine().encode()]
    parts.append(str(Path(torch.__file__).parent).encode())  # the library links to it by path
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def _compile(library: Path, flags: Sequence[str], torch: Path) -> None:
    for scrap in library.parent.glob(f"{library.name}.*.part"):
        scrap.unlink()
    part = library.with_name(f"{library.name}.{os.getpid()}.part")
    include = torch / "include"
    command = [
        *(find_compiler(), *flags),
        *("-isystem", str(include), "-isystem", str(include / "torch/csrc/api/include")),
        *(str(SOURCE), "-o", str(part)),
        *(f"-L{torch / 'lib'}", "-ltorch_cpu", "-lc10", f"-Wl,-rpath,{torch / 'lib'}"),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
        if done.returncode:
            raise _failure(command[0], done)
        part.replace(library)
    finally:
        part.unlink(missing_ok=True)


def _failure(compiler: str, done: subprocess.CompletedProcess[str]) -> CouldNotRun:
    last = "\n".join((done.stderr or done.stdout).splitlines()[-LAST_LINES:])
    return CouldNotRun(
        f"the simulated chip does not compile: {compiler} ended with {done.returncode}\n{last}",
        hint="It is tried with g++ 9 or newer; set CXX to choose another compiler.",
    )


def find_compiler(purpose: str = "the simulated chip") -> str:
    """The C++ compiler: ``$CXX``, or the first that is there of g++, c++ and clang++.

    Args:
        purpose: What it is to compile, for the message.

    Raises:
        CouldNotRun: If there is none.
    """
    chosen = os.environ.get("CXX", "").strip()
    for name in (chosen,) if chosen else COMPILERS:
        found = shutil.which(name)
        if found:
            return found
    missing = f"CXX names {chosen!r}, which is not there" if chosen else "there is no C++ compiler"
    raise CouldNotRun(
        f"{purpose} has to be compiled once, and {missing}",
        hint="Install g++ (apt-get install g++, dnf install gcc-c++), or set CXX.",
    )
