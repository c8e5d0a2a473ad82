"""``porter verify``: train the ported tree, compare with upstream, give a verdict."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from porter.cli.options import into_option, json_option, named
from porter.cli.runs import (
    Machines,
    Where,
    amp_option,
    dotted_options,
    machine_options,
    positive,
    repeat_command,
    where_options,
)
from porter.errors import WriteError
from porter.render.blocks import show
from porter.render.progress import shown_progress
from porter.render.report_folder import write_report
from porter.render.verdict import verdict_blocks
from porter.render.watching import shown_watcher
from porter.source import Cache
from porter.verify.judging.thresholds import parse_tolerance
from porter.verify.report import report_text
from porter.verify.request import Request
from porter.verify.run import verify

EXIT_CODES = {"pass": 0, "fail": 20, "inconclusive": 21}


@click.command()
@click.argument("model")
@into_option("The folder with the ported packages.")
@where_options
@positive("--steps", "N", "Optimizer steps; the recipe's, else 50.")
@positive("--batch-size", "N", "Images a step and process; the recipe's, else 2.")
@positive("--image-size", "PX", "Longest side of an image; the recipe's, else 128.")
@click.option(
    "--lr",
    type=click.FloatRange(0, min_open=True),
    metavar="LR",
    help="Learning rate; the recipe's, else the config's in proportion to the batch.",
)
@click.option(
    "--seed", type=int, default=0, show_default=True, metavar="N", help="Of weights and data."
)
@click.option(
    "--threads",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    metavar="N",
    help="Threads of torch in each process; more help on an idle machine only.",
)
@amp_option
@machine_options
@click.option("--eval", "evaluate", is_flag=True, help="Compare COCO mAP after training, too.")
@click.option("--resume", is_flag=True, help="Save and end at half the steps, resume from there.")
@click.option(
    "--repeat",
    type=click.IntRange(1),
    default=1,
    metavar="N",
    show_default=True,
    help="Train each side so often; upstream twice at least, to know its noise.",
)
@click.option(
    "--tolerance",
    "tolerances",
    multiple=True,
    metavar="CHECK=PERCENT",
    help="Another limit: first-step, mean, bias or grad-norm; repeatable.",
)
@click.option(
    "--report",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Where the report goes; porter-report/<target>-<model>... if not given.",
)
@click.option("--keep", is_flag=True, help="Keep logs, records and checkpoints in the report.")
@click.argument("cfg_options", nargs=-1, metavar="[-- KEY=VALUE ...]")
@click.option("--offline", is_flag=True, help="Use what the cache holds and no network.")
@json_option
def command(
    model: str,
    into: Path,
    where: Where,
    machines: Machines,
    tolerances: tuple[str, ...],
    report: Path | None,
    keep: bool,
    cfg_options: tuple[str, ...],
    as_json: bool,
    evaluate: bool,
    **settings: Any,
) -> int:
    """Train the ported tree beside upstream, and say whether the port holds.

    Without --into, and without a folder ./vendor, the releases that MODEL is ported in by default
    are ported for this alone; name the chip with --target then.

    MODEL is an alias (`porter models list`), or the name or path of an mmdet config.
    What follows `--` changes single keys of that config.

    Exit codes: 0 pass, 20 fail, 21 inconclusive, 22 could not run.

    \b
      porter verify reppoints --steps 50
      porter verify centernet --nproc 3 --amp
    """
    folder = report or default_report(model, where, machines, settings)
    check_writable(folder)
    request = Request(
        model=model,
        into=into,
        targets=where.known(),
        target=where.target(),
        device=where.device,
        python=where.python,
        ranks=machines.ranks(),
        eval=evaluate,
        limits=limits(tolerances),
        options=dotted_options(cfg_options),
        keep=folder / "runs" if keep else None,
        command=repeat_command(),
        make=not named("into"),
        **settings,
    )
    with shown_watcher(silent=as_json) as watch, shown_progress(silent=as_json) as progress:
        found = verify(request, Cache(), watch, progress)
        write_report(found, folder)
    if as_json:
        click.echo(report_text(found), nl=False)
    else:
        show(verdict_blocks(found, folder))
    return EXIT_CODES[found.verdict.outcome]


def check_writable(folder: Path) -> None:
    """Find out before an hour of training, not after it, that the report cannot be written.

    Raises:
        WriteError: If the folder, or the nearest that is there above it, may not be written.
    """
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not os.access(there, os.W_OK):
        raise WriteError(
            f"--report {folder}: {there} may not be written",
            hint="Name another folder with --report.",
        )


def limits(tolerances: Sequence[str]) -> dict[str, float]:
    """Threshold -> fraction, from the values of ``--tolerance``."""
    return dict(parse_tolerance(text) for text in tolerances)


def default_report(
    model: str, where: Where, machines: Machines, settings: Mapping[str, Any]
) -> Path:
    """A folder named after what is verified, so that another verification has another."""
    words = [where.target_name, Path(model).stem, where.device if where.device != "auto" else ""]
    words += [name for name in ("amp", "resume") if settings[name]]
    words += [f"nproc{machines.nproc}"] if machines.nproc > 1 else []
    return Path("porter-report") / "-".join(word for word in words if word)
