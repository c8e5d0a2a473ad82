"""``porter export``: a port to hand on."""

from __future__ import annotations

from pathlib import Path

import click

from porter.cli.options import FOLDER, Catalog, catalog_options, into_option, json_option
from porter.export.forms import WRITERS, Form
from porter.export.run import export
from porter.render.blocks import show
from porter.render.exported import exported_blocks, exported_document
from porter.render.machine import dumps


@click.command()
@into_option("The ported folder.")
@click.option(
    "--as",
    "form",
    type=click.Choice(list(WRITERS)),
    default="patches",
    show_default=True,
    help="A patch a rule, a commit a rule, or the changed files alone.",
)
@click.option("--out", type=FOLDER, required=True, metavar="DIR", help="The folder to make.")
@click.option(
    "--package", "packages", multiple=True, metavar="NAME", help="Only this package; repeatable."
)
@click.option("--keep-edits", is_flag=True, help="Add edits made by hand as a last step.")
@catalog_options
@json_option
def command(
    into: Path,
    form: Form,
    out: Path,
    packages: tuple[str, ...],
    keep_edits: bool,
    catalog: Catalog,
    as_json: bool,
) -> None:
    """Hand a port on: a patch series, a git branch, or the changed files.

    patches: a numbered patch a rule, with its reason, and a `series` file; in a folder
    with the pristine packages `git am`, `git apply` and `patch -p1` take them in order.
    git: a repository whose first commit is upstream, with one more a rule. overlay: the
    changed files alone, in `mmcv_need/` and the like, to copy over the packages. What
    comes of it is the ported tree, byte for byte; the same port gives the same bytes.

    \b
      porter export --as patches --out ./patches
      porter export --as git --out ./mmcv-sdaa --package mmcv
    """
    done = export(into, out, form, catalog.load_rules(), packages=packages, keep_edits=keep_edits)
    if as_json:
        click.echo(dumps(exported_document(done)))
    else:
        show(exported_blocks(done))
