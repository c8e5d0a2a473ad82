"""``porter upgrade``: a ported tree on other releases."""

from __future__ import annotations

from pathlib import Path

import click

from porter.cli.options import (
    FOLDER,
    ORIGINS,
    Catalog,
    Origin,
    catalog_options,
    into_option,
    json_option,
    origin_options,
)
from porter.errors import UpgradeConflict, UsageError
from porter.render.blocks import show
from porter.render.machine import dumps
from porter.render.progress import shown_progress
from porter.render.upgraded import upgraded_blocks, upgraded_document
from porter.source import Cache, parse_pin
from porter.upgrade.model import UpgradeRequest
from porter.upgrade.run import upgrade


@click.command()
@click.option(
    "--pin",
    "pins",
    multiple=True,
    required=True,
    metavar="PKG=VER",
    help="The version of a package to move to, such as mmengine=0.10.7; repeatable.",
)
@into_option("The ported folder.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and write nothing.")
@click.option(
    "--conflicts",
    type=FOLDER,
    metavar="DIR",
    help="Where files go that cannot be merged; beside the ported folder if not given.",
)
@origin_options
@catalog_options
@json_option
def command(
    pins: tuple[str, ...],
    into: Path,
    dry_run: bool,
    conflicts: Path | None,
    source: Origin,
    catalog: Catalog,
    as_json: bool,
) -> int:
    """Move a ported tree to other releases, with the edits made by hand.

    The new releases are ported by today's rules, and edits made by hand are merged in.
    It tells which rules are gained, lost, changed or moved. All is written or nothing;
    if an edit cannot be merged, nothing is, the exit code is 11, and the file is put
    into a folder of conflicts, with marks. Resolve it there and run the command again.

    \b
      porter upgrade --pin mmengine=0.10.7 --dry-run
      porter upgrade --pin mmcv=2.2.0 --pin mmengine=0.10.7 --into ./vendor
    """
    if source.origin not in ORIGINS:
        raise UsageError(
            f"--from {source.origin}: an upgrade needs a pinned release",
            hint="Leave --from away, or give --from git.",
        )
    request = UpgradeRequest(
        targets=catalog.load_targets(),
        rules=tuple(catalog.load_rules()),
        into=into,
        pins=dict(parse_pin(text) for text in pins),
        dry_run=dry_run,
        conflicts=conflicts,
        **source.arguments(),
    )
    with shown_progress(silent=as_json) as progress:
        done = upgrade(request, Cache(), progress)
    if as_json:
        click.echo(dumps(upgraded_document(done)))
    else:
        show(upgraded_blocks(done, into))
    return UpgradeConflict.exit_code if done.conflicts else 0
