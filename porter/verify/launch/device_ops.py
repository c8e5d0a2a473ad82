"""Which compiled operators of mmcv the ported tree uses."""

from __future__ import annotations

from pathlib import Path

from porter.verify.launch.interpreter import Interpreter
from porter.verify.launch.place import Site
from porter.verify.trees import Trees


def chips_own_ops(site: Site, trees: Trees, interpreter: Interpreter) -> Path | None:
    """The folder with the operators that were built for the chip.

    Returns:
        The tree's own ``mmcv`` folder, or that of the mmcv installed there; None where neither
        has any, and off the chip.
    """
    if site.place != "real":
        return None
    installed = interpreter.modules["mmcv"].folder
    candidates = [trees.roots["mmcv"] / "mmcv", *([Path(installed)] if installed else [])]
    return next((folder for folder in candidates if any(folder.glob("_ext*"))), None)
