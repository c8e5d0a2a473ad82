"""``porter status``: how a folder stands."""

from __future__ import annotations

from pathlib import Path

import click

from porter.cli.options import Catalog, catalog_options, into_option, json_option
from porter.errors import TreeStateError, UnsupportedVersion
from porter.port.state import inspect
from porter.render.blocks import show
from porter.render.machine import dumps
from porter.render.tree import status_blocks, status_document
from porter.source import Cache, Tree, find_trees, known_packages, known_pin
from porter.source.archive import cached_tree


@click.command()
@into_option("The folder to look at.")
@catalog_options
@json_option
def command(into: Path, catalog: Catalog, as_json: bool) -> None:
    """Tell which packages are clean, ported or edited by hand.

    A package that is not ported is compared with its release where the cache has it.
    Nothing is written and nothing is fetched.
    """
    if not into.is_dir():
        raise TreeStateError(f"{into} is not there", hint="Name a folder with --into.")
    found = inspect(into, catalog.load_rules(), releases=_cached_releases(into))
    if as_json:
        click.echo(dumps(status_document(found)))
    else:
        show(status_blocks(found, into))


def _cached_releases(into: Path) -> dict[str, Tree]:
    """The releases of the packages in a folder, of those that the cache has."""
    releases: dict[str, Tree] = {}
    for package, folder in find_trees(into, known_packages()).items():
        try:
            release = cached_tree(known_pin(package, folder.version), Cache())
        except UnsupportedVersion:
            continue
        if release:
            releases[package] = release
    return releases
