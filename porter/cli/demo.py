"""``porter demo``: a picture in, the same picture with boxes out."""

from __future__ import annotations

from pathlib import Path

import click

from porter.cli.options import into_option, json_option
from porter.cli.runs import Where, where_options
from porter.render.blocks import show
from porter.render.demo import demo_blocks, demo_document
from porter.render.machine import dumps
from porter.render.watching import shown_watcher
from porter.source import Cache
from porter.verify.demo import DemoRequest, run_demo
from porter.verify.errand import Errand

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("model")
@into_option("The folder with the ported packages.")
@click.option(
    "--image", type=FILE, metavar="FILE", help="The picture; a synthetic one if not given."
)
@click.option(
    "--checkpoint", type=FILE, metavar="FILE", help="The weights; random ones if not given."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("demo.jpg"),
    metavar="FILE",
    show_default=True,
    help="Where the picture with boxes goes.",
)
@click.option(
    "--score-thr",
    type=click.FloatRange(0, 1),
    default=0.3,
    metavar="X",
    show_default=True,
    help="The lowest score of a box that is drawn.",
)
@where_options
@json_option
def command(
    model: str,
    into: Path,
    image: Path | None,
    checkpoint: Path | None,
    out: Path,
    score_thr: float,
    where: Where,
    as_json: bool,
) -> None:
    """Show what a model of the ported packages finds in a picture.

    MODEL is an alias (`porter models list`), or the name or path of an mmdet config. The boxes
    are drawn by mmdet itself.

    \b
      porter demo fsaf --image street.jpg --checkpoint work/epoch_12.pth --out found.jpg
    """
    errand = Errand(
        model, into, where.known(), where.target(), where.device, where.python, checkpoint
    )
    with shown_watcher(silent=as_json) as watch:
        outcome = run_demo(DemoRequest(errand, image, out, score_thr), Cache(), watch)
    if as_json:
        click.echo(dumps(demo_document(outcome)))
    else:
        show(demo_blocks(outcome))
