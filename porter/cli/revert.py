"""``porter revert``: upstream's bytes again."""

from __future__ import annotations

from pathlib import Path

import click

from porter.cli.options import edit_options, into_option, json_option
from porter.port.changes import EditPolicy
from porter.render.blocks import show
from porter.render.machine import dumps
from porter.render.tree import revert_blocks, revert_document
from porter.revert import revert


@click.command()
@into_option("The ported folder.")
@edit_options
@json_option
def command(into: Path, edits: EditPolicy, as_json: bool) -> None:
    """Put the upstream bytes back.

    Every file that the port changed is restored, every file that it added is removed.
    Files edited by hand since are refused, unless an option says more.
    """
    outcome = revert(into, edits=edits)
    if as_json:
        click.echo(dumps(revert_document(outcome)))
    else:
        show(revert_blocks(outcome, into))
