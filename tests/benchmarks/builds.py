"""``python -m tests.benchmarks.builds``: how long porter's compiling takes, from nothing.

The simulated chip, and mmcv's CPU operators; each in a cache of its own, so that nothing has been
built before. ``--upstream`` times mmcv's own build of the same operators too, which takes
minutes. Whole processes are timed: porter's start, and a look at the Python that has torch
(which imports torch), are in the figures. Builds use all cores, so a machine that is busy shows
in the wall time: the load is printed, and the processor time beside it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from porter.source import Cache, fetch, known_pin
from tests.benchmarks.__main__ import Contestant

ROOT = Path(__file__).parents[2]
CHIP = "from porter.sim import build_chip; build_chip()"
OPERATORS = """
import sys
from pathlib import Path
from porter.source.cache import Cache
from porter.verify.launch.interpreter import probe
from porter.verify.ops import build_ops
from porter.verify.watch import Silent
build_ops(Path(sys.argv[1]), probe(Path(sys.argv[2])), Cache(), Silent())
"""


def contestants(mmcv: Path, python: str, runs: int, upstream: bool) -> list[tuple[Contestant, str]]:
    """What is timed, and the name of the cache that it uses; a fresh one for each run."""

    def nothing(place: Path) -> None:
        place.parent.mkdir(exist_ok=True)

    def tree(place: Path) -> None:
        shutil.copytree(mmcv, place)

    def operators(place: Path) -> Sequence[str]:
        return [sys.executable, "-c", OPERATORS, str(mmcv), python]

    def setup(place: Path) -> Sequence[str]:
        build = f'cd "{place}" && exec "{python}" setup.py build_ext --inplace'
        return ["env", "MMCV_WITH_OPS=1", f"MAX_JOBS={cores()}", "sh", "-c", build]

    found = [
        (Contestant("simulated chip", lambda place: [python, "-c", CHIP], nothing, runs), "chip"),
        (Contestant("mmcv's operators", operators, nothing, runs), "operators"),
        (Contestant("mmcv's operators, kept", operators, nothing, runs), "operators"),
    ]
    if upstream:
        found.append((Contestant("mmcv's own setup.py", setup, tree, 1), "upstream"))
    return found


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def show(entries: Sequence[Contestant], loads: Sequence[float], version: str) -> None:
    """The table."""
    busy = f"load {min(loads):.1f} to {max(loads):.1f} before each run"
    table = Table(title=f"Builds from nothing, mmcv {version}, {cores()} processors, {busy}")
    for column in ("build", "median s", "min s", "max s", "min CPU s", "peak MB a process"):
        table.add_column(column, justify="left" if column == "build" else "right")
    for entry in entries:
        figures = (entry.median, min(entry.seconds), max(entry.seconds), min(entry.cpu))
        cells = [f"{figure:.1f}" for figure in figures]
        table.add_row(entry.name, *cells, f"{entry.megabytes:.0f}")
    Console(width=120).print(table)


def unpack(version: str, folder: Path) -> Path:
    """A release of mmcv in a folder."""
    [tree] = fetch([known_pin("mmcv", version)], Cache())
    for path in tree.paths():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(tree.read(path))
    return folder


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--mmcv", default="2.1.0", help="which release")
    parser.add_argument("--python", default=sys.executable, help="the Python that has torch")
    parser.add_argument("--upstream", action="store_true", help="mmcv's own build too (minutes)")
    options = parser.parse_args()
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.getenv("PYTHONPATH")]))
    loads = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        mmcv = unpack(options.mmcv, folder / "mmcv")
        entries = contestants(mmcv, options.python, options.runs, options.upstream)
        for number in range(options.runs):
            for entry, cache in entries:
                if number < entry.runs:
                    loads.append(os.getloadavg()[0])
                    print(f"run {number + 1}: {entry.name}", file=sys.stderr)
                    entry.run_once(folder, folder / f"cache-{cache}-{number}")
        show([entry for entry, _ in entries], loads, options.mmcv)


if __name__ == "__main__":
    main()
