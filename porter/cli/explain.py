"""``porter explain``: the rule behind a line."""

from __future__ import annotations

from pathlib import Path

import click

from porter.cli.options import Catalog, catalog_options, into_option, json_option
from porter.errors import UsageError
from porter.explain import explain, find_ported_tree
from porter.render.blocks import show
from porter.render.explanation import explanation_blocks, explanation_document
from porter.render.machine import dumps


@click.command()
@click.argument("place", metavar="FILE:LINE")
@into_option("The ported tree; found above FILE if not given.", default=None)
@catalog_options
@json_option
def command(place: str, into: Path | None, catalog: Catalog, as_json: bool) -> None:
    """Tell which rule is behind a line of a ported file, and why.

    FILE is a path from here, from the ported tree, or from a package in it:

    \b
      porter explain vendor/mmcv/mmcv/ops/deform_conv.py:80
      porter explain --into vendor mmcv/ops/deform_conv.py:80
    """
    file, line = parse_place(place)
    found = explain(into or find_ported_tree(file), file, line, catalog.load_rules())
    if as_json:
        click.echo(dumps(explanation_document(found)))
    else:
        show(explanation_blocks(found))


def parse_place(place: str) -> tuple[Path, int]:
    """``FILE:LINE`` as a path and a line counted from 1.

    Raises:
        UsageError: If there is no line, or it is no positive number.
    """
    file, colon, line = place.rpartition(":")
    if not (file and colon and line.isdecimal() and int(line) > 0):
        raise UsageError(f"{place}: not FILE:LINE", hint="Lines count from 1, as in dist.py:130.")
    return Path(file), int(line)
