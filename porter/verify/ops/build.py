"""Building mmcv's CPU operators, once for each content, and keeping what was built.

mmcv's own build takes 6.5 minutes on two cores. This one compiles the same files in five units.
The module is tried before it is kept, and arrives by rename: a killed build leaves a scrap that
the next one sweeps away under the same lock.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from porter.errors import CouldNotRun
from porter.source.cache import Cache
from porter.verify.ops.compilers import compile_units, how_many, last_lines, run_tool
from porter.verify.ops.recipe import MODULE, Recipe, Toolchain, make_recipe
from porter.verify.ops.units import Unit
from porter.verify.watch import Watcher
from porter.write.durable import flush

STAGE = "mmcv operators"

#: Loads a module by its path, as ``import mmcv._ext`` would.
TRY = f"""
import sys
from importlib import machinery, util
import torch
loader = machinery.ExtensionFileLoader("mmcv.{MODULE}", sys.argv[1])
loader.exec_module(util.module_from_spec(util.spec_from_loader(loader.name, loader)))
"""


def build_ops(mmcv_root: Path, interpreter: Toolchain, cache: Cache, watch: Watcher) -> Path:
    """The folder with ``_ext`` of this mmcv for this Python and its torch, built if need be.

    Args:
        mmcv_root: The folder that holds the package folder ``mmcv`` with its C++ sources.
        watch: Told how many of mmcv's files are compiled.

    Raises:
        CouldNotRun: If there is no compiler, the build fails, or its module cannot be loaded.
        WriteError: If the cache folder cannot be written.
    """
    recipe = make_recipe(mmcv_root, interpreter)
    home = cache.root / "ops" / recipe.name
    outcome = "from the cache"
    watch.begin(STAGE, recipe.files)
    if not _is_built(home, recipe):
        with cache.lock(recipe.name), cache.writing():
            if not _is_built(home, recipe):
                started = time.monotonic()
                _build(recipe, home, watch)
                outcome = f"built in {time.monotonic() - started:.0f} s"
    watch.end(STAGE, outcome)
    return home


def _is_built(home: Path, recipe: Recipe) -> bool:
    return (home / recipe.module).is_file()


def _build(recipe: Recipe, home: Path, watch: Watcher) -> None:
    for scrap in home.parent.glob(f"{home.name}.*.part"):
        shutil.rmtree(scrap)
    part = home.with_name(f"{home.name}.{os.getpid()}.part")
    made = part / "made"
    try:
        made.mkdir(parents=True)
        _make_module(recipe, part, made / recipe.module, watch)
        flush(made, [made / recipe.module, made])
        shutil.rmtree(home, ignore_errors=True)  # there only if somebody took the module out
        made.replace(home)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _make_module(recipe: Recipe, part: Path, module: Path, watch: Watcher) -> None:
    count = 0

    def compiled(unit: Unit) -> None:
        nonlocal count
        count += len(unit.sources)
        watch.advance(STAGE, count, unit.label)

    units = compile_units(recipe, part, how_many(), compiled)
    if status := run_tool(recipe.link_command(units, module), part, "link.log"):
        raise CouldNotRun(
            f"mmcv's operators cannot be linked: {recipe.compiler} ended with {status}\n"
            f"{last_lines(part / 'link.log')}",
            hint="Set CXX to the compiler that torch was built with, or one like it.",
        )
    _try(recipe, part, module)


def _try(recipe: Recipe, part: Path, module: Path) -> None:
    """A module that was built for another Python or torch shows it here, not in a training."""
    python = str(recipe.python.executable)
    if run_tool([python, "-c", TRY, str(module)], part, "try.log"):
        raise CouldNotRun(
            f"mmcv's operators were built, but {python} cannot load them\n"
            f"{last_lines(part / 'try.log')}",
            hint="Set CXX to the compiler that torch was built with, or one like it.",
        )
