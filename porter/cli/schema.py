"""``porter schema``: the JSON schemas of the files that users write."""

from __future__ import annotations

import click

from porter.render.machine import dumps
from porter.rulebook.schema import rule_schema, target_schema


@click.command()
@click.argument("kind", metavar="rule|target", type=click.Choice(["rule", "target"]))
def command(kind: str) -> None:
    """Print the JSON schema of rule files or target files.

    Editors complete and check TOML files with it:

    \b
      porter schema rule > rule.schema.json
    """
    click.echo(dumps(rule_schema() if kind == "rule" else target_schema()))
