"""Running scripts, modules and an interactive Python with the chip installed."""

from __future__ import annotations

import code
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

from porter.errors import UsageError
from porter.model import Target
from porter.sim.install import install


def run_script(target: Target, script: Path, arguments: Sequence[str] = ()) -> None:
    """Run a script as ``python script.py`` would, on the simulated chip.

    Raises:
        UsageError: If there is no such script.
        PorterError: If the chip cannot be installed.
    """
    if not script.is_file():
        raise UsageError(f"there is no script {script}")
    install(target)
    sys.argv = [str(script), *arguments]
    sys.path[0] = str(script.resolve().parent)
    runpy.run_path(str(script), run_name="__main__")


def run_module(target: Target, module: str, arguments: Sequence[str] = ()) -> None:
    """Run a module as ``python -m module`` would, on the simulated chip.

    Raises:
        PorterError: If the chip cannot be installed.
    """
    install(target)
    sys.argv = [module, *arguments]
    sys.path[0] = str(Path.cwd())
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def open_shell(target: Target) -> None:
    """Open an interactive Python with the chip installed and torch imported.

    Raises:
        PorterError: If the chip cannot be installed.
    """
    spec = install(target)
    import torch

    names = {"torch": torch, "__name__": "__main__"}
    _complete_names(names)
    banner = (
        f"Python {sys.version.split()[0]}, torch {torch.__version__}, simulated {spec.chip}: "
        f"{spec.profile.device_count} device(s) {spec.device!r}, backend {spec.backend!r}."
    )
    code.interact(banner, local=names, exitmsg="")


def _complete_names(names: dict[str, object]) -> None:
    try:
        import readline
        import rlcompleter
    except ImportError:  # a Python built without readline
        return
    readline.set_completer(rlcompleter.Completer(names).complete)
    readline.parse_and_bind("tab: complete")
