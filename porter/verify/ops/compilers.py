"""Compilers at work: so many at once as the machine bears, and none left behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from pathlib import Path

from porter.errors import CouldNotRun
from porter.verify.ops.recipe import Recipe
from porter.verify.ops.units import Unit, alone

#: Bytes of memory that one compiler takes at most (measured: 2.1 GB for the bindings, -O1).
MEMORY = 2_300_000_000
#: Seconds between two looks at the running compilers.
LOOK = 0.02
LAST_LINES = 15

#: Runs a program, and kills it with its children once standard input closes: when porter has
#: ended, however it ended. ``kill 0`` means the session's own processes.
GUARD = """
exec 3<&0
"$@" </dev/null 3<&- &
program=$!
(read -r line <&3; kill -KILL 0) &
guard=$!
wait $program
status=$?
kill $guard
exit $status
"""

MEMINFO = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")


def compile_units(
    recipe: Recipe, folder: Path, at_once: int, done: Callable[[Unit], None]
) -> list[Unit]:
    """Compile every unit in a folder; a unit that does not compile is done file by file.

    Args:
        at_once: How many compilers may run.
        done: Told of each unit that has been compiled, in this thread.

    Returns:
        The units that there are object files of.

    Raises:
        CouldNotRun: If a single file does not compile.
    """
    queue, running, compiled = deque(recipe.units), dict[subprocess.Popen[bytes], Unit](), []
    try:
        while queue or running:
            while queue and len(running) < at_once:
                unit = queue.popleft()
                running[_start(recipe, unit, folder)] = unit
            process = _first_to_end(running)
            unit = running.pop(process)
            _kill([process])
            if process.returncode == 0:
                compiled.append(unit)
                done(unit)
            elif len(unit.sources) > 1:
                queue.extendleft(alone(unit))
            else:
                raise _failure(recipe, unit, folder, process.returncode)
    finally:
        _kill(running)
    return compiled


def run_tool(command: Sequence[str], folder: Path, log: str) -> int:
    """Run one program in a folder to its end, or kill it when interrupted.

    Returns:
        Its exit status, 128 and the number for a signal. What it said is in the file ``log``.
    """
    process = _spawn(command, folder, log)
    try:
        return process.wait()
    finally:
        _kill([process])


def last_lines(log: Path) -> str:
    """The end of what a program said."""
    text = log.read_text(encoding="utf-8", errors="replace")
    return "\n".join(text.splitlines()[-LAST_LINES:])


def how_many() -> int:
    """How many compilers this machine bears at once, by its cores and its free memory."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = free_memory()
    return max(1, min(cores or 1, memory // MEMORY if memory is not None else 1 << 10))


def free_memory(meminfo: Path = MEMINFO, cgroup: Path = CGROUP) -> int | None:
    """Bytes that may still be used, by the system and by the container; None if neither tells."""
    known = []
    with suppress(OSError):
        found = re.search(r"^MemAvailable:\s+(\d+) kB", meminfo.read_text(), re.MULTILINE)
        known += [int(found[1]) * 1024] if found else []
    with suppress(OSError, ValueError):  # ValueError: "max", which is no limit
        limit = int((cgroup / "memory.max").read_text())
        known.append(max(0, limit - int((cgroup / "memory.current").read_text())))
    return min(known, default=None)


def _start(recipe: Recipe, unit: Unit, folder: Path) -> subprocess.Popen[bytes]:
    (folder / f"{unit.name}.cpp").write_text(unit.text, encoding="utf-8")
    return _spawn(recipe.compile_command(unit), folder, f"{unit.name}.log")


def _spawn(command: Sequence[str], folder: Path, log: str) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, so that it can be killed with its children.

    Its temporary files are kept in the folder too, and go with it.
    """
    with (folder / log).open("wb") as output:
        return subprocess.Popen(
            ["sh", "-c", GUARD, "sh", *command],
            cwd=folder,
            env={**os.environ, "LC_ALL": "C", "TMPDIR": str(folder)},
            stdin=subprocess.PIPE,  # closed by the system if this process is killed
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _first_to_end(running: Collection[subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    while True:
        for process in running:
            if process.poll() is not None:
                return process
        time.sleep(LOOK)


def _kill(processes: Collection[subprocess.Popen[bytes]]) -> None:
    """End those that still run, and give back what all of them hold."""
    for process in processes:
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    for process in processes:
        process.communicate()


def _failure(recipe: Recipe, unit: Unit, folder: Path, status: int) -> CouldNotRun:
    text = last_lines(folder / f"{unit.name}.log")
    killed = status in (-signal.SIGKILL, 128 + signal.SIGKILL) or "Killed signal" in text
    return CouldNotRun(
        f"mmcv's operators do not compile: {recipe.compiler} ended with {status} on "
        f"{unit.label}\n{text}",
        hint=f"It was killed, probably as memory ran out: it takes {MEMORY / 1e9:.1f} GB."
        if killed
        else "It is tried with g++ 12 and torch 2.13; set CXX to choose another compiler.",
    )
