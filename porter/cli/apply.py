"""``porter apply``: the port itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from porter.apply import apply
from porter.audit.model import Report
from porter.audit.run import AuditRequest, audit
from porter.cli.options import (
    Catalog,
    Choice,
    Origin,
    Pins,
    catalog_options,
    choice_options,
    edit_options,
    into_option,
    json_option,
    origin_options,
    pin_options,
    target_option,
)
from porter.port.changes import EditPolicy
from porter.port.request import Request
from porter.render.audit import finding_document, left_blocks
from porter.render.blocks import show
from porter.render.machine import dumps
from porter.render.outcome import outcome_blocks, outcome_document
from porter.render.progress import shown_progress
from porter.source import Cache


@click.command()
@target_option
@into_option("The folder to port, or to make; a site-packages folder will do.")
@click.option(
    "--project",
    is_flag=True,
    help="The folder is a project of your own that builds on these packages.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be done, and write nothing.")
@edit_options
@choice_options
@pin_options
@origin_options
@catalog_options
@json_option
def command(
    target_name: str,
    into: Path,
    project: bool,
    dry_run: bool,
    edits: EditPolicy,
    choice: Choice,
    pins: Pins,
    source: Origin,
    catalog: Catalog,
    as_json: bool,
) -> None:
    """Port mmengine, mmcv and mmdet to a chip.

    An empty or missing folder gets the target's pinned releases, ported, each of them
    installable with pip. A folder that holds the packages is ported in place. Doing it
    again changes nothing; files edited by hand are refused, unless an option says more.

    With --project, a folder of your own code gets what the generic rules can do, and what
    is left for you is listed as `porter audit` lists it.

    \b
      porter apply --target sdaa --into ./vendor
      porter apply --target npu --into venv/lib/python3.10/site-packages
    """
    rules = tuple(catalog.load_rules())
    target = choice.asking(catalog.target(target_name), rules)
    request = Request(
        target=target,
        rules=rules,
        into=into,
        pins=pins.asked(target, choice.packages),
        dry_run=dry_run,
        only=choice.only,
        without=choice.without,
        edits=edits,
        packages=choice.packages or pins.packages(target),
        project=project,
        **source.arguments(),
    )
    with shown_progress(silent=as_json) as progress:
        outcome = apply(request, Cache(), progress)
    left = _left(request) if project and not dry_run else None
    if as_json:
        document = dict(outcome_document(outcome))
        if left is not None:
            document["left"] = [finding_document(finding) for finding in left.findings]
        click.echo(dumps(document))
    else:
        show(outcome_blocks(outcome, into))
        if left is not None:
            show(left_blocks(left))


def _left(request: Request) -> Report:
    """What the rules could not do for a project: the open findings of its audit."""
    found = audit(AuditRequest(request.target, request.rules, request.into, link=False))
    return replace(found, findings=tuple(f for f in found.findings if f.cls == "open"))
