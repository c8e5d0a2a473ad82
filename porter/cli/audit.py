"""``porter audit``: what in a tree still needs CUDA."""

from __future__ import annotations

from pathlib import Path

import click

from porter.audit.model import KINDS, Class, Report
from porter.audit.run import AuditRequest, audit
from porter.audit.suppress import Entry, read_entries
from porter.cli.options import (
    FOLDER,
    Catalog,
    catalog_options,
    check_name,
    into_option,
    json_option,
    target_option,
)
from porter.errors import UsageError
from porter.model import Target

#: What ``porter audit`` ends with where ``--fail-on`` is met.
FINDINGS = 23

_SHOWN: dict[str, tuple[Class, ...]] = {
    "open": ("open",),
    "fallback": ("open", "fallback"),
    "all": ("open", "fallback", "ported", "native", "harmless"),
}


@click.command()
@click.argument("path", type=FOLDER, required=False)
@target_option
@into_option("The folder to audit, where no path is given.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "sarif", "html"]),
    default="text",
    show_default=True,
    help="How to report.",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the report to a file.",
)
@click.option(
    "--show",
    type=click.Choice(list(_SHOWN)),
    default="fallback",
    show_default=True,
    help="The mildest class to list in text.",
)
@click.option("--accepted", is_flag=True, help="List in text what is accepted, too.")
@click.option("--kind", "kinds", multiple=True, metavar="KIND", help="Only this kind; repeatable.")
@click.option(
    "--package", "packages", multiple=True, metavar="NAME", help="Only this package; repeatable."
)
@click.option(
    "--ignore",
    "ignore",
    type=click.Path(dir_okay=False, path_type=Path),
    multiple=True,
    metavar="FILE",
    help="A TOML file of findings that are accepted; repeatable.",
)
@click.option(
    "--fail-on",
    type=click.Choice(["open", "fallback"]),
    help=f"End with exit code {FINDINGS} if there are findings of that class, or worse.",
)
@catalog_options
@json_option
def command(
    path: Path | None,
    target_name: str,
    into: Path,
    form: str,
    output: Path | None,
    show: str,
    accepted: bool,
    kinds: tuple[str, ...],
    packages: tuple[str, ...],
    ignore: tuple[Path, ...],
    fail_on: str | None,
    catalog: Catalog,
    as_json: bool,
) -> None:
    """Find what in a tree still needs CUDA, and whether it matters.

    Looks into Python, configs, shell and C++ of a ported or unported folder, or of any
    folder of your own. Names are resolved and values followed, so comments, docstrings and
    branches that the chip never takes are told from what will fail there.

    \b
      porter audit --target sdaa --into ./vendor
      porter audit --target npu ~/my-detector --format sarif --output audit.sarif
      porter audit --target sdaa --fail-on open

    A line is accepted by a comment with a reason: `# porter: ignore[cuda-call] the host's own`.
    """
    for kind in kinds:
        check_name("--kind", kind, list(KINDS))
    target = catalog.target(target_name)
    entries: list[Entry] = [entry for file in ignore for entry in read_entries(file)]
    request = AuditRequest(
        target, tuple(catalog.load_rules()), path or into, packages, tuple(entries), kinds=kinds
    )
    report = audit(request)
    form = "json" if as_json else form
    if form == "text" and output is None:
        from porter.render.audit import audit_blocks
        from porter.render.blocks import show as draw

        draw(audit_blocks(report, _SHOWN[show], accepted))
    else:
        _put(_rendered(report, target, form, show, accepted), output)
    if _fails(report, fail_on):
        raise click.exceptions.Exit(FINDINGS)


def _rendered(report: Report, target: Target, form: str, show: str, accepted: bool) -> str:
    if form == "html":
        from porter.render.audit_page import audit_page

        return audit_page(report, target)
    if form == "text":
        from porter.render.audit import audit_blocks
        from porter.render.blocks import plain_lines

        return "\n".join(plain_lines(audit_blocks(report, _SHOWN[show], accepted)))
    from porter.render.machine import dumps

    if form == "sarif":
        from porter.render.sarif import sarif_document

        return dumps(sarif_document(report))
    from porter.render.audit import audit_document

    return dumps(audit_document(report))


def _put(text: str, output: Path | None) -> None:
    if output is None:
        click.echo(text)
        return
    try:
        output.write_text(f"{text}\n", encoding="utf-8")
    except OSError as problem:
        raise UsageError(f"--output {output}: {problem.strerror}") from problem


def _fails(report: Report, fail_on: str | None) -> bool:
    if fail_on is None:
        return False
    return bool(report.count("open") or (fail_on == "fallback" and report.count("fallback")))
