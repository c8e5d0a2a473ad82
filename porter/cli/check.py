"""``porter check``: what every port promises, asked of a ported tree."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from porter.check.run import check
from porter.cli.options import Catalog, catalog_options, into_option, json_option
from porter.errors import PromiseBroken
from porter.render.blocks import show
from porter.render.checked import checked_blocks, checked_document
from porter.render.machine import dumps
from porter.render.progress import shown_progress
from porter.source import Cache


@click.command()
@into_option("The ported folder.")
@click.option(
    "--python",
    type=click.Path(path_type=Path),
    default=Path(sys.executable),
    metavar="PATH",
    help="The Python that runs both trees, with torch; porter's own if not given.",
)
@click.option("--static", is_flag=True, help="Run nothing: only what can be read off the files.")
@click.option("--offline", is_flag=True, help="Use what the cache holds and no network.")
@catalog_options
@json_option
def command(
    into: Path, python: Path, static: bool, offline: bool, catalog: Catalog, as_json: bool
) -> int:
    """Ask a ported tree for all that a port promises.

    Every changed file is compared with upstream's: nothing may be lost that others use.
    The rules are looked for again, a revert is made in a copy, and the packages are run
    beside upstream's, on the host, in a Python that has torch. Nothing is written to the
    folder. The exit code is 0 if all promises that were asked about hold, and 12 if not.

    \b
      porter check --into ./vendor
      porter check --static --json
    """
    with shown_progress(silent=as_json) as progress:
        found = check(
            into, catalog.load_targets(), catalog.load_rules(), Cache(),
            python=None if static else python, offline=offline, progress=progress,
        )  # fmt: skip
    if as_json:
        click.echo(dumps(checked_document(found)))
    else:
        show(checked_blocks(found))
    return PromiseBroken.exit_code if found.broken else 0
