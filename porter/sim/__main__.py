"""``python -m porter.sim --target npu script.py ARGS``: any script on the simulated chip."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from porter.errors import PorterError
from porter.rulebook.catalog import get_target
from porter.sim.run import open_shell, run_module, run_script


def parser() -> argparse.ArgumentParser:
    """The command line; what follows the script or the module is its own."""
    made = argparse.ArgumentParser(prog="python -m porter.sim", description=__doc__)
    made.add_argument("--target", required=True, help="name of the chip, or a target file")
    made.add_argument("-m", dest="module", action="store_true", help="run a module, as python -m")
    made.add_argument("rest", nargs=argparse.REMAINDER, metavar="script.py ...")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line says; the exit code is the script's, or an error's."""
    chosen = parser().parse_args(arguments)
    try:
        target = get_target(*_target(chosen.target))
        if chosen.rest and chosen.module:
            run_module(target, chosen.rest[0], chosen.rest[1:])
        elif chosen.rest:
            run_script(target, Path(chosen.rest[0]), chosen.rest[1:])
        else:
            open_shell(target)
    except PorterError as problem:
        print(f"{problem.title}: {problem.message}", file=sys.stderr)
        if problem.hint:
            print(problem.hint, file=sys.stderr)
        return problem.exit_code
    return 0


def _target(text: str) -> tuple[str, tuple[Path, ...]]:
    """A name, and the folder to look in besides porter's own."""
    path = Path(text)
    return (path.stem, (path.parent,)) if path.suffix == ".toml" else (text, ())


if __name__ == "__main__":
    sys.exit(main())
