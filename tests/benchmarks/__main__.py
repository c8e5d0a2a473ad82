"""``python -m tests.benchmarks``: how long porter takes, against tools that do less.

Every row is measured in turn with the others, several times; medians are compared. The
trees are the default pins, whose archives are in the cache before the clock starts.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

TARGET = "sdaa"


@dataclass
class Contestant:
    """A command to time.

    Attributes:
        prepare: Makes the folder the command works on, before the clock starts.
    """

    name: str
    command: Callable[[Path], Sequence[str]]
    prepare: Callable[[Path], None]
    runs: int
    seconds: list[float] = field(default_factory=list)
    megabytes: float = 0.0

    def run_once(self) -> None:
        """One run in a fresh folder."""
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / "trees"
            self.prepare(place)
            start = time.perf_counter()
            process = subprocess.Popen(
                [*self.command(place)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
            )
            assert process.stderr is not None
            errors = process.stderr.read()
            _, status, usage = os.wait4(process.pid, 0)
            self.seconds.append(time.perf_counter() - start)
            process.returncode = os.waitstatus_to_exitcode(status)
            process.stderr.close()
            if process.returncode:
                raise SystemExit(f"{self.name} failed:\n{errors.decode()}")
            self.megabytes = max(self.megabytes, usage.ru_maxrss / 1024)

    @property
    def median(self) -> float:
        """Median wall time of a run, in seconds."""
        return statistics.median(self.seconds)


def contestants(pristine: Path, runs: int, slow: bool) -> list[Contestant]:
    """The commands; the first is what the others are compared with."""

    def nothing(place: Path) -> None:
        place.parent.mkdir(exist_ok=True)

    def trees(place: Path) -> None:
        shutil.copytree(pristine, place)

    porter, ast_grep = tool("porter"), tool("ast-grep")
    found = [
        Contestant(
            "ast-grep: one rename",
            lambda place: [ast_grep, "run", "-p", "torch.cuda.is_available", "-r",
                           "torch.sdaa.is_available", "-l", "py", "-U", str(place)],
            trees, runs,
        ),
        Contestant(
            "porter apply, empty folder",
            lambda place: [porter, "apply", "--target", TARGET, "--into", str(place), "--offline"],
            nothing, runs,
        ),
        Contestant(
            "porter diff",
            lambda place: [porter, "diff", "--target", TARGET, "--offline"],
            nothing, runs,
        ),
        Contestant("porter --help", lambda place: [porter, "--help"], nothing, runs),
    ]  # fmt: skip
    if slow:
        found.append(Contestant("libcst.tool: one rename", libcst_command, trees, 1))
    return found


def tool(name: str) -> str:
    """A command of this environment."""
    path = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if path is None:
        raise SystemExit(f"{name} is not installed: run `make bench`")
    return path


def libcst_command(place: Path) -> list[str]:
    """libcst's own rename over a folder."""
    names = ["--old_name=torch.cuda.is_available", "--new_name=torch.sdaa.is_available"]
    codemod = ["-m", "libcst.tool", "codemod", "rename.RenameCommand"]
    return [sys.executable, *codemod, *names, "--hide-progress", str(place)]


def measure(entries: Sequence[Contestant]) -> None:
    """Run all in turn, so that what slows the machine slows each alike."""
    for number in range(max(entry.runs for entry in entries)):
        for entry in entries:
            if number < entry.runs:
                print(f"run {number + 1}: {entry.name}", file=sys.stderr)
                entry.run_once()


def show(entries: Sequence[Contestant]) -> None:
    """The table."""
    base = entries[0]
    table = Table(title=f"Default pins, target {TARGET}, {os.cpu_count()} processors")
    for column in ("command", "median s", "min s", "max s", f"x {base.name}", "peak MB"):
        table.add_column(column, justify="left" if column == "command" else "right")
    for entry in entries:
        figures = (entry.median, min(entry.seconds), max(entry.seconds), entry.median / base.median)
        cells = [f"{figure:.2f}" for figure in figures]
        table.add_row(entry.name, *cells, f"{entry.megabytes:.0f}")
    Console(width=100).print(table)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--slow", action="store_true", help="libcst's own tool too (minutes)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pristine = Path(folder) / "pristine"
        apply = [tool("porter"), "apply", "--target", TARGET, "--into", str(pristine)]
        subprocess.run(apply, check=True, stdout=subprocess.DEVNULL)
        subprocess.run(
            [tool("porter"), "revert", "--into", str(pristine)],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        entries = contestants(pristine, options.runs, options.slow)
        measure(entries)
        show(entries)


if __name__ == "__main__":
    main()
