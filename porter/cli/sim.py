"""``porter sim``: the simulated chip by hand, and the data that verifications train on."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

import porter
from porter.cli.groups import Group
from porter.cli.options import FOLDER, Catalog, catalog_options, target_option
from porter.model import Target
from porter.render.blocks import Command, Text, show
from porter.verify.data.dataset import write_synthetic_coco
from porter.verify.launch.interpreter import probe

#: Finds porter in the folder that is the first argument, and takes the others as the command's.
_START = """\
import sys
sys.path.append(sys.argv.pop(1))
from porter.sim.__main__ import main
sys.exit(main())
"""

python_option = click.option(
    "--python",
    type=click.Path(path_type=Path),
    default=Path(sys.executable),
    metavar="PATH",
    help="The Python that has torch; porter's own if not given.",
)


@click.group(cls=Group, name="sim")
def command() -> None:
    """Run Python on a simulated chip; write the synthetic data set.

    The simulated chip is a real PyTorch device over the host's memory, with the target's name
    and gaps. It proves wiring, not the chip's numerics.
    """


@command.command("shell")
@target_option
@catalog_options
@python_option
def shell(target_name: str, catalog: Catalog, python: Path) -> None:
    """Open a Python with torch and the chip installed."""
    _become(python, catalog.target(target_name))


@command.command(
    "run", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False}
)
@target_option
@catalog_options
@python_option
@click.option("-m", "module", is_flag=True, help="Run a module, as `python -m` does.")
@click.argument("script")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run(
    target_name: str,
    catalog: Catalog,
    python: Path,
    module: bool,
    script: str,
    arguments: tuple[str, ...],
) -> None:
    """Run a script on the chip; what follows SCRIPT is its own.

    Put `--` before it if it has options that porter has too.

    \b
      porter sim run --target sdaa -- train.py --epochs 1
      porter sim run --target sdaa -m torch.distributed.run --nproc_per_node 2 train.py
    """
    words = ["-m", script] if module else [script]
    _become(python, catalog.target(target_name), *words, *arguments)


@command.command("dataset")
@click.argument("folder", type=FOLDER, metavar="DIR")
def dataset(folder: Path) -> None:
    """Write the synthetic COCO data set into a new or empty folder."""
    write_synthetic_coco(folder)
    show(
        [
            Text(f"32 images and their annotations in {folder}"),
            Command("Next", f"porter train MODEL --data-dir {folder}"),
        ]
    )


def _become(python: Path, target: Target, *words: str) -> None:
    """Replace this process by the one that simulates, so that signals and the terminal are its."""
    executable = str(probe(python).executable)
    place = str(Path(porter.__file__).parents[1])
    chip = ["--target", str(Path(target.path).absolute())]
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(executable, [executable, "-c", _START, place, *chip, *words])
