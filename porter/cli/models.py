"""``porter models``: the models that porter knows by name."""

from __future__ import annotations

import click

from porter.cli.groups import Group
from porter.cli.options import json_option
from porter.render.blocks import show
from porter.render.machine import dumps
from porter.render.models import model_document, model_list, model_page, model_summary
from porter.verify.models.recipes import get_model, known_models


@click.group(cls=Group, name="models")
def command() -> None:
    """List and show the models to train.

    Beside these names, `porter verify` and `porter train` take the name or path of any mmdet
    config, and the path of a recipe file of your own.
    """


@command.command("list")
@json_option
def list_models(as_json: bool) -> None:
    """List the models."""
    recipes = known_models().values()
    if as_json:
        click.echo(dumps({"models": [model_summary(recipe) for recipe in recipes]}))
    else:
        show(model_list(recipes))


@command.command("show")
@click.argument("name")
@json_option
def show_model(name: str, as_json: bool) -> None:
    """Show one model: its config, what it exercises, how a smoke run trains it.

    NAME is one of `porter models list`, or the path of a recipe file.
    """
    recipe = get_model(name)
    if as_json:
        click.echo(dumps(model_document(recipe)))
    else:
        show(model_page(recipe))
