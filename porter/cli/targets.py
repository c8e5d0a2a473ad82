"""``porter targets``: the chips that porter knows."""

from __future__ import annotations

import click

from porter.cli.groups import Group
from porter.cli.options import Catalog, catalog_options, json_option
from porter.cli.verdicts import verdict
from porter.render.blocks import show
from porter.render.catalog import MADE, target_list, target_page
from porter.render.machine import dumps, target_document, target_summary


@click.group(cls=Group, name="targets")
def command() -> None:
    """List and show the chips.

    A target is one TOML file. Add your own with --targets DIR.
    """


@command.command("list")
@catalog_options
@json_option
def list_targets(catalog: Catalog, as_json: bool) -> None:
    """List the chips, one row each."""
    targets = [target for _, target in sorted(catalog.load_targets().items())]
    if as_json:
        click.echo(dumps({"targets": [target_summary(target) for target in targets]}))
    else:
        show(target_list(targets))


@command.command("show")
@click.argument("name")
@catalog_options
@json_option
def show_target(name: str, catalog: Catalog, as_json: bool) -> None:
    """Show one chip: its fields, traits with their reasons, and pins."""
    target, rules = catalog.target(name), catalog.load_rules()
    versions = target.pins["default"]
    selected = [rule.id for rule in rules if verdict(rule, target, versions) == MADE]
    if as_json:
        click.echo(dumps(target_document(target, selected)))
    else:
        show(target_page(target, selected, len(rules)))
