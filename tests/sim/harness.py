"""Runs all checks of a module in one simulated process and reports on each.

A process can simulate one chip, so checks that share a target share a process. Run as
``python -m tests.sim.harness TARGET_FILE MODULE``; the last line is JSON: check -> "" or
the traceback.
"""

from __future__ import annotations

import ast
import importlib
import json
import sys
import traceback
import warnings
from pathlib import Path

CHECKS = Path(__file__).with_name("checks")


def names(module: str) -> list[str]:
    """The checks of a module, in order, without importing it (it needs torch)."""
    tree = ast.parse((CHECKS / f"{module}.py").read_text(encoding="utf-8"))
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    return [name for name in functions if name.startswith("check_")]


def main(target: str, module: str) -> None:
    """Install the target, run the checks, print the results."""
    from porter.rulebook.targetfile import read_target
    from porter.sim import install

    install(read_target(Path(target)))
    warnings.simplefilter("ignore")
    loaded = importlib.import_module(f"tests.sim.checks.{module}")
    results = {}
    for name in names(module):
        try:
            getattr(loaded, name)()
            results[name] = ""
        except BaseException:
            results[name] = traceback.format_exc()
    print(json.dumps(results))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
