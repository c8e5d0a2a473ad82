"""``porter eval``: a checkpoint's COCO mAP on the ported packages."""

from __future__ import annotations

from pathlib import Path

import click

from porter.cli.fullsize import FullSize, full_size_options, run_and_show
from porter.cli.options import json_option


@click.command()
@click.argument("model")
@full_size_options
@click.option(
    "--checkpoint",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    metavar="FILE",
    help="The weights to evaluate.",
)
@json_option
@click.argument("cfg_options", nargs=-1, metavar="[-- KEY=VALUE ...]")
def command(full_size: FullSize, as_json: bool, **settings: object) -> None:
    """Evaluate a checkpoint on the ported packages.

    It is tried on the val2017 of your COCO folder. MODEL is an alias (`porter models list`),
    or the name or path of an mmdet config. What follows `--` goes to mmengine's --cfg-options.

    \b
      porter eval centernet --checkpoint work/epoch_10.pth --data-dir data/coco --nproc 3
    """
    run_and_show("eval", full_size, settings, as_json=as_json)
