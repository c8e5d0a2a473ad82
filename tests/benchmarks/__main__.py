"""``python -m tests.benchmarks``: how long porter takes, against tools that do less.

Every row is measured in turn with the others, several times; medians are compared. The
trees are the default pins, whose archives are in the cache before the clock starts. porter
keeps plans there as well: where a row says that the plan is kept, an earlier run has made it,
and where it says that the plan is made, there is none yet.

Nothing is removed before the last run has ended: ext4 takes ten times as long to make a file
for minutes after as many were removed, and that would be charged to whoever writes most.
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

from porter.rulebook.catalog import load_targets
from porter.source import Cache, fetch, known_pin, known_versions
from porter.source.cache import CACHE_VARIABLE

TARGET = "sdaa"
#: Every pinned release of the packages that the target ports: what a matrix needs no index for.
RELEASES = [
    known_pin(package, version)
    for package in load_targets()[TARGET].pins["default"]
    for version in known_versions(package)
]
PINNED = len(RELEASES)


@dataclass
class Contestant:
    """A command to time.

    Attributes:
        prepare: Makes the folder the command works on, before the clock starts.
        cpu: Seconds of processor time of each run, over all its processes.
    """

    name: str
    command: Callable[[Path], Sequence[str]]
    prepare: Callable[[Path], None]
    runs: int
    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    megabytes: float = 0.0

    def run_once(self, folder: Path, cache: Path) -> None:
        """One run in a fresh folder below the given one.

        Args:
            cache: porter's, for this run.
        """
        place = Path(tempfile.mkdtemp(dir=folder)) / "trees"
        self.prepare(place)
        start = time.perf_counter()
        process = subprocess.Popen(
            [*self.command(place)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, CACHE_VARIABLE: str(cache)},
        )
        assert process.stderr is not None
        errors = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        self.seconds.append(time.perf_counter() - start)
        process.returncode = os.waitstatus_to_exitcode(status)
        process.stderr.close()
        if process.returncode:
            raise SystemExit(f"{self.name} failed:\n{errors.decode()}")
        self.cpu.append(usage.ru_utime + usage.ru_stime)
        self.megabytes = max(self.megabytes, usage.ru_maxrss / 1024)

    @property
    def median(self) -> float:
        """Median wall time of a run, in seconds."""
        return statistics.median(self.seconds)


def contestants(pristine: Path, cache: Cache, runs: int, slow: bool) -> list[Contestant]:
    """The commands; the first is what the others are compared with.

    Args:
        cache: What all runs use; the plan of the target is in it when they start.
    """

    def nothing(place: Path) -> None:
        place.parent.mkdir(exist_ok=True)

    def no_plan(place: Path) -> None:
        nothing(place)
        for path in cache.plan_path("any").parent.glob("*"):
            path.unlink()

    def no_matrix(place: Path) -> None:
        nothing(place)
        shutil.rmtree(cache.matrix_path("any").parent, ignore_errors=True)

    def trees(place: Path) -> None:
        shutil.copytree(pristine, place)

    porter, ast_grep = tool("porter"), tool("ast-grep")

    def apply(place: Path) -> list[str]:
        return [porter, "apply", "--target", TARGET, "--into", str(place), "--offline"]

    def diff(place: Path) -> list[str]:
        return [porter, "diff", "--target", TARGET, "--offline"]

    def audit(place: Path) -> list[str]:
        return [porter, "audit", "--target", TARGET, "--into", str(place)]

    def ported(place: Path) -> None:
        environment = {**os.environ, CACHE_VARIABLE: str(cache.root)}
        subprocess.run(apply(place), check=True, stdout=subprocess.DEVNULL, env=environment)

    def matrix(place: Path) -> list[str]:
        return [porter, "matrix", "--target", TARGET, "--offline"]

    found = [
        Contestant(
            "ast-grep: one rename",
            lambda place: [ast_grep, "run", "-p", "torch.cuda.is_available", "-r",
                           "torch.sdaa.is_available", "-l", "py", "-U", str(place)],
            trees, runs,
        ),
        # Each that makes the plan leaves it to the next.
        Contestant("porter apply, empty folder, plan made", apply, no_plan, runs),
        Contestant("porter apply, empty folder, plan kept", apply, nothing, runs),
        Contestant("porter diff, plan made", diff, no_plan, runs),
        Contestant("porter diff, plan kept", diff, nothing, runs),
        Contestant("porter audit, as released", audit, trees, runs),
        Contestant("porter audit, ported", audit, ported, runs),
        Contestant(f"porter matrix, {PINNED} releases, looked up", matrix, no_matrix, runs),
        Contestant(f"porter matrix, {PINNED} releases, kept", matrix, nothing, runs),
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
    return [sys.executable, *codemod, *names, "--no-format", "--hide-progress", str(place)]


def measure(entries: Sequence[Contestant], folder: Path, cache: Path) -> None:
    """Run all in turn, so that what slows the machine slows each alike."""
    for number in range(max(entry.runs for entry in entries)):
        for entry in entries:
            if number < entry.runs:
                print(f"run {number + 1}: {entry.name}", file=sys.stderr)
                entry.run_once(folder, cache)


def show(entries: Sequence[Contestant]) -> None:
    """The table."""
    base = entries[0]
    table = Table(title=f"Default pins, target {TARGET}, {os.cpu_count()} processors")
    for column in ("command", "median s", "min s", "max s", "x first", "min CPU s", "peak MB"):
        table.add_column(column, justify="left" if column == "command" else "right")
    for entry in entries:
        seconds, ratio = entry.seconds, entry.median / base.median
        figures = (entry.median, min(seconds), max(seconds), ratio, min(entry.cpu))
        cells = [f"{figure:.2f}" for figure in figures]
        table.add_row(entry.name, *cells, f"{entry.megabytes:.0f}")
    Console(width=120).print(table)


def own_cache(folder: Path) -> Cache:
    """A cache with the archives of the pinned releases and nothing else."""
    cache = Cache(folder / "cache")
    fetch(RELEASES, Cache())
    for pin in RELEASES:
        cache.archive_path(pin).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(Cache().archive_path(pin), cache.archive_path(pin))
    return cache


def pristine_trees(folder: Path, cache: Cache) -> Path:
    """The releases as folders, by way of a port and its revert."""
    into = folder / "pristine"
    environment = {**os.environ, CACHE_VARIABLE: str(cache.root)}
    for command in (["apply", "--target", TARGET], ["revert"]):
        subprocess.run(
            [tool("porter"), *command, "--into", str(into)],
            check=True, stdout=subprocess.DEVNULL, env=environment,
        )  # fmt: skip
    return into


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--slow", action="store_true", help="libcst's own tool too (minutes)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cache = own_cache(folder)
        pristine = pristine_trees(folder, cache)
        entries = contestants(pristine, cache, options.runs, options.slow)
        measure(entries, folder, cache.root)
        show(entries)


if __name__ == "__main__":
    main()
