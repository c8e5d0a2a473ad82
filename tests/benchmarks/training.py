"""``python -m tests.benchmarks.training``: what a simulated step, and a whole verification, cost.

Verifies a model twice over from a cache without baselines, so that upstream's steps and the
ported tree's are timed in one run, on one machine, minutes apart. Then once more with everything
kept, which is what a user waits for. The first steps, in which memory is first touched, are left
out of the medians.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from porter.source import Cache

ROOT = Path(__file__).parents[2]
WARMING_STEPS = 3


def steps_of(run: Mapping[str, Any]) -> list[float]:
    """Seconds of the first rank's steps, but for the first few."""
    seconds: list[float] = next(iter(run["seconds"].values()))
    return seconds[WARMING_STEPS:]


def verify(
    model: str, into: Path, options: Sequence[str], environment: Mapping[str, str]
) -> tuple[float, Any]:
    """Seconds of a whole ``porter verify``, and its report."""
    command = [sys.executable, "-m", "porter", "verify", model, "--into", str(into), "--json"]
    began = time.perf_counter()
    done = subprocess.run(
        [*command, *options], env={**os.environ, **environment}, capture_output=True, text=True
    )
    seconds = time.perf_counter() - began
    if done.returncode:
        sys.exit(done.stderr or done.stdout)
    return seconds, json.loads(done.stdout)


def share_builds(cache: Path) -> None:
    """Let a fresh cache use what was compiled and fetched already, but no recorded run."""
    cache.mkdir()
    for name in ("archives", "ops", "sim"):
        if (Cache().root / name).is_dir():
            (cache / name).symlink_to(Cache().root / name)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=["reppoints"])
    parser.add_argument("--into", type=Path, default=Path("vendor"), help="a ported folder")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--python", default=sys.executable, help="the Python that has torch")
    given = parser.parse_args()
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.getenv("PYTHONPATH")]))
    table = Table(title=f"{given.steps} steps, load {os.getloadavg()[0]:.1f} before the first run")
    for column in (
        "model",
        "CPU s/step",
        "simulated s/step",
        "ratio",
        "verify s",
        "verify again s",
    ):
        table.add_column(column, justify="left" if column == "model" else "right")
    with tempfile.TemporaryDirectory() as name:
        cache = Path(name) / "cache"
        share_builds(cache)
        options = [
            "--steps",
            str(given.steps),
            "--python",
            given.python,
            "--report",
            f"{name}/report",
        ]
        for model in given.models:
            first, report = verify(model, given.into, options, {"PORTER_CACHE": str(cache)})
            again, _ = verify(model, given.into, options, {"PORTER_CACHE": str(cache)})
            host = median(steps_of(report["machine"]["baselines"][1]))
            chip = median(steps_of(report["machine"]["ported"][0]))
            table.add_row(
                model,
                f"{host:.3f}",
                f"{chip:.3f}",
                f"{chip / host:.2f}",
                f"{first:.0f}",
                f"{again:.0f}",
            )
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
