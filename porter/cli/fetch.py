"""``porter fetch``: upstream's releases into the cache."""

from __future__ import annotations

import click

from porter.cli.options import (
    Catalog,
    Origin,
    Pins,
    catalog_options,
    json_option,
    origin_options,
    pin_options,
)
from porter.errors import UsageError
from porter.render.blocks import show
from porter.render.fetched import fetched_blocks, fetched_document
from porter.render.machine import dumps
from porter.render.progress import shown_progress
from porter.source import Cache, fetch


@click.command()
@click.option(
    "--target", "target_name", metavar="NAME", help="Fetch the releases that this chip's port pins."
)
@pin_options
@origin_options
@catalog_options
@json_option
def command(
    target_name: str | None, pins: Pins, source: Origin, catalog: Catalog, as_json: bool
) -> None:
    """Download and check the upstream releases a port starts from.

    They are kept in the cache folder, PORTER_CACHE if that is set. Afterwards the
    other commands work with --offline.

    \b
      porter fetch --target sdaa
      porter fetch --pin mmcv=2.0.1 --pin mmdet=3.1.0
    """
    wanted = [source.pin(*item) for item in _wanted(target_name, pins, catalog).items()]
    cache = Cache()
    with shown_progress(silent=as_json) as progress:
        trees = fetch(wanted, cache, progress=progress, **source.arguments())
    if as_json:
        click.echo(dumps(fetched_document(wanted, trees, source.origin)))
    else:
        show(fetched_blocks(wanted, trees, source.origin, cache))


def _wanted(target_name: str | None, pins: Pins, catalog: Catalog) -> dict[str, str]:
    versions = pins.versions(catalog.target(target_name)) if target_name else pins.explicit()
    if not versions:
        raise UsageError("nothing to fetch", hint="Name a chip with --target, or a --pin.")
    return versions
