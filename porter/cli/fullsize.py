"""What ``porter train`` and ``porter eval`` have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, Literal

import click

from porter.cli.options import FOLDER, into_option
from porter.cli.runs import Machines, Where, machine_options, positive, where_options
from porter.render.blocks import show
from porter.render.machine import dumps
from porter.render.training import training_blocks, training_document
from porter.render.watching import shown_watcher
from porter.source import Cache
from porter.verify.train import TrainRequest, run_training


@dataclass(frozen=True)
class FullSize:
    """The values of the options that both commands take."""

    into: Path
    where: Where
    machines: Machines
    data: Path
    work: Path
    batch_size: int | None
    workers: int


def full_size_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command, which gets their values as ``full_size``."""
    fields = ("into", "where", "machines", "data", "work", "batch_size", "workers")

    @wraps(function)
    def command(**values: Any) -> Any:
        given = {name: values.pop(name) for name in fields}
        return function(**values, full_size=FullSize(**given))

    decorated: Callable[..., Any] = command
    options = [
        into_option("The folder with the ported packages."),
        click.option(
            "--data-dir",
            "data",
            type=FOLDER,
            default=Path("data/coco"),
            show_default=True,
            metavar="DIR",
            help="The COCO folder: train2017, val2017, annotations.",
        ),
        click.option(
            "--work-dir",
            "work",
            type=FOLDER,
            default=Path("work"),
            show_default=True,
            metavar="DIR",
            help="Where logs and checkpoints go.",
        ),
        positive("--batch-size", "N", "Images a step and process; the config's own if not given."),
        click.option(
            "--workers",
            type=click.IntRange(0),
            default=2,
            show_default=True,
            metavar="N",
            help="Processes that load data, for each that trains.",
        ),
        where_options,
        machine_options,
    ]
    for option in reversed(options):
        decorated = option(decorated)
    return decorated


def run_and_show(
    task: Literal["train", "eval"],
    full_size: FullSize,
    settings: Mapping[str, Any],
    *,
    as_json: bool,
) -> None:
    """Do it, and say what came of it."""
    given = {name: value for name, value in settings.items() if name != "cfg_options"}
    request = TrainRequest(
        task=task,
        into=full_size.into,
        targets=full_size.where.known(),
        target=full_size.where.target(),
        device=full_size.where.device,
        python=full_size.where.python,
        ranks=full_size.machines.ranks(),
        data=full_size.data,
        work=full_size.work,
        batch_size=full_size.batch_size,
        workers=full_size.workers,
        options=settings["cfg_options"],
        **given,
    )
    with shown_watcher(silent=as_json) as watch:
        outcome = run_training(request, Cache(), watch)
    if as_json:
        click.echo(dumps(training_document(outcome)))
    else:
        show(training_blocks(outcome))
