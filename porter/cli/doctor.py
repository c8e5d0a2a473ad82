"""``porter doctor``: what this machine has for a verification, and what it lacks."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from porter.cli.options import FOLDER, json_option
from porter.errors import CouldNotRun
from porter.render.blocks import show
from porter.render.diagnosis import diagnosis_blocks, diagnosis_document
from porter.render.machine import dumps
from porter.rulebook.catalog import get_target
from porter.source.cache import Cache
from porter.verify.launch.doctor import diagnose


@click.command()
@click.option(
    "--target", "target_name", default="", metavar="NAME", help="The chip to look for as well."
)
@click.option(
    "--targets",
    type=FOLDER,
    multiple=True,
    metavar="DIR",
    help="Read more targets from a folder; repeatable.",
)
@click.option(
    "--python",
    type=click.Path(path_type=Path),
    default=Path(sys.executable),
    metavar="PATH",
    help="The Python that is to train; porter's own if not given.",
)
@json_option
def command(target_name: str, targets: tuple[Path, ...], python: Path, as_json: bool) -> int:
    """Tell whether a port can be verified here, and what to install.

    It looks at the Python that would train (torch, the chip's plugin, the modules that mmdet
    imports), at the compiler, the cache folder, the disk and the memory. The exit code is 0 if
    `porter verify` could run, and 22 if not.
    """
    target = get_target(target_name, targets) if target_name else None
    found = diagnose(python, Cache(), target)
    if as_json:
        click.echo(dumps(diagnosis_document(found)))
    else:
        show(diagnosis_blocks(found))
    return 0 if found.ready else CouldNotRun.exit_code
