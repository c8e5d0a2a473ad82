"""What a machine has for training, whichever Python trains."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from porter.errors import CouldNotRun, WriteError
from porter.sim.build import find_compiler
from porter.source.cache import CACHE_VARIABLE, Cache
from porter.training.probe import cores

#: Bytes below which a smoke run may not get through.
LITTLE_DISK, LITTLE_MEMORY = 2 << 30, 3 << 30

State = Literal["good", "note", "bad"]


@dataclass(frozen=True)
class Fact:
    """One thing that was looked at.

    Attributes:
        state: ``bad`` if no verification can run as it is, ``note`` if some might not.
    """

    name: str
    value: str
    state: State = "good"


def host_facts(cache: Cache) -> tuple[list[Fact], list[str]]:
    """What was looked at, and what to do about what is missing."""
    found = (_compiler(), _git(), _cache_folder(cache), _disk(cache), _machine())
    return [fact for fact, _ in found], [remedy for _, remedy in found if remedy]


def _compiler() -> tuple[Fact, str]:
    try:
        compiler = find_compiler()
    except CouldNotRun as problem:
        return Fact("Compiler", "there is no C++ compiler", "bad"), problem.hint
    return Fact("Compiler", f"{compiler}: {_first_line(compiler, '--version')}"), ""


def _git() -> tuple[Fact, str]:
    found = shutil.which("git")
    if found is None:
        return Fact("git", "not there: needed for --from git and --keep-edits", "note"), ""
    return Fact("git", _first_line(found, "--version").removeprefix("git version ")), ""


def _first_line(*command: str) -> str:
    with suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=20)
        return (done.stdout or done.stderr).partition("\n")[0]
    return "it does not answer"


def _cache_folder(cache: Cache) -> tuple[Fact, str]:
    try:
        with cache.lock("doctor"):
            pass
    except WriteError as problem:
        return Fact("Cache", problem.message, "bad"), problem.hint
    return Fact("Cache", f"{cache.root} holds {size(_bytes_in(cache.root))}"), ""


def _bytes_in(folder: Path) -> int:
    total = 0
    for parent, _, files in os.walk(folder):
        for name in files:
            with suppress(OSError):  # another porter may be at work there
                total += (Path(parent) / name).lstat().st_size
    return total


def _disk(cache: Cache) -> tuple[Fact, str]:
    there = next((p for p in (cache.root, *cache.root.parents) if p.is_dir()), Path.cwd())
    free = shutil.disk_usage(there).free
    if free >= LITTLE_DISK:
        return Fact("Disk", f"{size(free)} free"), ""
    remedy = f"Free some disk space, or set {CACHE_VARIABLE} to a folder on a larger disk."
    return Fact("Disk", f"{size(free)} free", "note"), remedy


def _machine() -> tuple[Fact, str]:
    memory, count = _memory(), cores()
    words = f"{size(memory)} of memory, {count} {'core' if count == 1 else 'cores'}"
    return Fact("Machine", words, "note" if memory < LITTLE_MEMORY else "good"), ""


def _memory() -> int:
    """Bytes of memory; a container's limit where that is less."""
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(OSError, ValueError):
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="utf-8")
        return min(whole, int(limit))
    return whole


def size(count: int) -> str:
    """Bytes as people read them: ``1.4 GB``."""
    for unit, step in (("GB", 10**9), ("MB", 10**6)):
        if count >= step:
            return f"{count / step:.1f} {unit}"
    return f"{count / 1000:.1f} kB" if count >= 1000 else f"{count} bytes"
