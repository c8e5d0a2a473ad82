"""Compiling the simulated chip before anything waits for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import porter
from porter.errors import CouldNotRun
from porter.source import Cache
from porter.verify.launch.interpreter import Interpreter
from porter.verify.launch.place import Site
from porter.verify.watch import Watcher

STAGE = "simulated chip"
BUILD = """
import sys
sys.path.append(sys.argv[1])
from porter.errors import PorterError
try:
    import filelock, packaging, platformdirs
    from porter.sim.build import build_chip
    build_chip()
except ImportError as problem:
    sys.exit(f"it cannot import porter: {problem}")
except PorterError as problem:
    sys.exit(f"{problem.message}\\n{problem.hint}")
"""


def prepare_chip(site: Site, interpreter: Interpreter, cache: Cache, watch: Watcher) -> None:
    """Compile the chip for that interpreter's torch, if it is to be simulated and is not there.

    Raises:
        CouldNotRun: If it cannot be compiled, or porter cannot be imported there.
    """
    if site.sim is None or _is_ready(interpreter, cache):
        return
    watch.begin(STAGE)
    before = _chips(cache)
    command = [str(interpreter.executable), "-c", BUILD, str(Path(porter.__file__).parents[1])]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if done.returncode:
        problem = (done.stderr or done.stdout).rstrip()
        raise CouldNotRun(
            f"{interpreter.executable} cannot simulate the chip: {problem}",
            hint="The simulated chip needs porter's own requirements there "
            "(pip install openmm-porter); the chip itself and --device cpu do not.",
        )
    watch.end(STAGE, "from the cache" if before == _chips(cache) else "compiled")


def _chips(cache: Cache) -> set[str]:
    return {file.name for file in (cache.root / "sim").glob("chip-*.so")}


def _is_ready(interpreter: Interpreter, cache: Cache) -> bool:
    """Whether a chip is there for this Python and its torch; a stale one is rebuilt by its user."""
    if interpreter.executable != Path(sys.executable):
        return False
    return any((cache.root / "sim").glob(f"chip-{interpreter.torch}-*.so"))
