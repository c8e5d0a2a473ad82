"""``porter train``: a full training on the ported packages."""

from __future__ import annotations

from pathlib import Path

import click

from porter.cli.fullsize import FullSize, full_size_options, run_and_show
from porter.cli.options import json_option
from porter.cli.runs import amp_option, positive


@click.command()
@click.argument("model")
@full_size_options
@positive("--epochs", "N", "Epochs; the config's own if not given.")
@click.option(
    "--lr",
    type=click.FloatRange(0, min_open=True),
    metavar="LR",
    help="Learning rate; the config's own if not given, whatever the batch size.",
)
@amp_option
@click.option(
    "--seed", type=int, default=0, show_default=True, metavar="N", help="Of weights and data."
)
@click.option(
    "--checkpoint",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Weights to start from.",
)
@click.option(
    "--resume-from",
    "resume",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A checkpoint of an earlier training to go on from.",
)
@json_option
@click.argument("cfg_options", nargs=-1, metavar="[-- KEY=VALUE ...]")
def command(full_size: FullSize, as_json: bool, **settings: object) -> None:
    """Train a model on the ported packages: full size, on your COCO folder.

    torchrun starts the processes. MODEL is an alias (`porter models list`), or the name or
    path of an mmdet config. What follows `--` goes to mmengine's --cfg-options.

    \b
      porter train centernet --nproc 3 --batch-size 4 --lr 1e-3 --epochs 10 \\
          --data-dir data/coco
      porter train reppoints --data-dir data/coco --amp -- train_cfg.val_interval=2
    """
    run_and_show("train", full_size, settings, as_json=as_json)
