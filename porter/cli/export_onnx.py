"""``porter export-onnx``: a model as ONNX, held against PyTorch."""

from __future__ import annotations

from pathlib import Path

import click

from porter.cli.options import into_option, json_option
from porter.cli.runs import OnHost, host_options
from porter.render.blocks import show
from porter.render.export_onnx import export_blocks, export_document
from porter.render.machine import dumps
from porter.render.watching import shown_watcher
from porter.source import Cache
from porter.verify.errand import Errand
from porter.verify.export_onnx import ExportRequest, run_export

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("model")
@into_option("The folder with the ported packages, an mmdet 2.x among them.")
@click.option(
    "--checkpoint", type=FILE, metavar="FILE", help="The weights; random ones if not given."
)
@click.option(
    "--shape",
    type=(click.IntRange(1), click.IntRange(1)),
    default=(800, 1216),
    metavar="H W",
    show_default=True,
    help="Height and width of the input, in pixels.",
)
@click.option(
    "--image",
    type=FILE,
    metavar="FILE",
    help="The example to trace and to compare with; a synthetic one if not given.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=None,
    metavar="FILE",
    help="Where the model goes; MODEL.onnx if not given.",
)
@click.option(
    "--check/--no-check",
    default=True,
    show_default=True,
    help="Run it in ONNX Runtime and hold it against PyTorch.",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(0, min_open=True),
    default=1e-4,
    metavar="X",
    show_default=True,
    help="How far scores may differ, and corners in parts of the longest side.",
)
@host_options
@json_option
def command(
    model: str,
    into: Path,
    checkpoint: Path | None,
    shape: tuple[int, int],
    image: Path | None,
    out: Path | None,
    check: bool,
    tolerance: float,
    host: OnHost,
    as_json: bool,
) -> None:
    """Export a model of the ported mmdet 2.x to ONNX.

    It runs on the host, through mmdet's own exporter. onnx checks the model; ONNX Runtime runs it
    beside PyTorch on one image. Nothing is written unless both hold. MODEL is an alias (`porter
    models list`), or the name or path of an mmdet config.

    \b
      porter apply --target npu --set legacy --pin mmdet=2.11.0 --into ./vendor
      porter export-onnx fsaf --checkpoint work/epoch_12.pth --out fsaf.onnx
    """
    where = host.where()
    errand = Errand(
        model, into, where.known(), where.target(), where.device, where.python, checkpoint
    )
    place = out or Path(f"{Path(model).stem}.onnx")
    request = ExportRequest(errand, place, shape, image, check, tolerance)
    with shown_watcher(silent=as_json) as watch:
        outcome = run_export(request, Cache(), watch)
    if as_json:
        click.echo(dumps(export_document(outcome)))
    else:
        show(export_blocks(outcome))
