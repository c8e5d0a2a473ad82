"""``porter apply``: the port itself."""

from __future__ import annotations

from pathlib import Path

import click

from porter.apply import apply
from porter.cli.options import (
    Catalog,
    Choice,
    Origin,
    Pins,
    catalog_options,
    choice_options,
    edit_options,
    into_option,
    json_option,
    origin_options,
    pin_options,
    target_option,
)
from porter.port.changes import EditPolicy
from porter.port.request import Request
from porter.render.blocks import show
from porter.render.machine import dumps
from porter.render.outcome import outcome_blocks, outcome_document
from porter.render.progress import shown_progress
from porter.source import Cache


@click.command()
@target_option
@into_option("The folder to port, or to make; a site-packages folder will do.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and write nothing.")
@edit_options
@choice_options
@pin_options
@origin_options
@catalog_options
@json_option
def command(
    target_name: str,
    into: Path,
    dry_run: bool,
    edits: EditPolicy,
    choice: Choice,
    pins: Pins,
    source: Origin,
    catalog: Catalog,
    as_json: bool,
) -> None:
    """Port mmengine, mmcv and mmdet to a chip.

    An empty or missing folder gets the target's pinned releases, ported, each of them
    installable with pip. A folder that holds the packages is ported in place. Doing it
    again changes nothing; files edited by hand are refused, unless an option says more.

    \b
      porter apply --target sdaa --into ./vendor
      porter apply --target npu --into venv/lib/python3.10/site-packages
    """
    target = catalog.target(target_name)
    request = Request(
        target=target,
        rules=tuple(catalog.load_rules()),
        into=into,
        pins=pins.asked(target),
        dry_run=dry_run,
        only=choice.only,
        without=choice.without,
        edits=edits,
        packages=choice.packages or pins.packages(target),
        **source.arguments(),
    )
    with shown_progress(silent=as_json) as progress:
        outcome = apply(request, Cache(), progress)
    if as_json:
        click.echo(dumps(outcome_document(outcome)))
    else:
        show(outcome_blocks(outcome, into))
