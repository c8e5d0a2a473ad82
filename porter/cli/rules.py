"""``porter rules``: what porter would change, and why."""

from __future__ import annotations

from collections.abc import Sequence

import click

from porter.cli.groups import Group
from porter.cli.options import Catalog, Pins, catalog_options, check_name, json_option, pin_options
from porter.cli.verdicts import verdict
from porter.errors import CaseFailure
from porter.model import Rule
from porter.render.blocks import show
from porter.render.cases import case_blocks, case_document
from porter.render.catalog import rule_list, rule_page
from porter.render.machine import dumps, rule_document, rule_summary
from porter.ruletest import run_cases


@click.group(cls=Group, name="rules")
def command() -> None:
    """List, show and test the rules.

    A rule is one TOML file. Add your own with --rules DIR.
    """


@command.command("list")
@click.option(
    "--target",
    "target_name",
    metavar="NAME",
    help="Say of each rule whether this chip's port makes it, or why not.",
)
@click.option(
    "--package", "packages", multiple=True, metavar="NAME", help="Only this package; repeatable."
)
@pin_options
@catalog_options
@json_option
def list_rules(
    target_name: str | None,
    packages: tuple[str, ...],
    pins: Pins,
    catalog: Catalog,
    as_json: bool,
) -> None:
    """List the rules: when each is made, for which versions, and why."""
    rules = _of_packages(catalog.load_rules(), packages)
    verdicts: dict[str, str] = {}
    if target_name:
        target = catalog.target(target_name)
        versions = pins.versions(target)
        verdicts = {rule.id: verdict(rule, target, versions) for rule in rules}
    if as_json:
        entries = [
            rule_summary(rule) | ({"verdict": verdicts[rule.id]} if verdicts else {})
            for rule in rules
        ]
        click.echo(dumps({"rules": entries}))
    else:
        show(rule_list(rules, verdicts))


def _of_packages(rules: Sequence[Rule], packages: Sequence[str]) -> list[Rule]:
    known = sorted({package for rule in rules for package in rule.packages})
    for package in packages:
        check_name("--package", package, known)
    return [rule for rule in rules if not packages or set(packages) & set(rule.packages)]


@command.command("show")
@click.argument("rule_id", metavar="ID")
@catalog_options
@json_option
def show_rule(rule_id: str, catalog: Catalog, as_json: bool) -> None:
    """Show one rule: why, where it comes from, and its cases as diffs."""
    rule = _one_rule(catalog.load_rules(), rule_id)
    if as_json:
        click.echo(dumps(rule_document(rule)))
    else:
        show(rule_page(rule))


def _one_rule(rules: Sequence[Rule], rule_id: str) -> Rule:
    check_name("rule", rule_id, [rule.id for rule in rules])
    return next(rule for rule in rules if rule.id == rule_id)


@command.command("test")
@click.argument("rule_ids", nargs=-1, metavar="[ID]...")
@catalog_options
@json_option
def check_rules(rule_ids: tuple[str, ...], catalog: Catalog, as_json: bool) -> None:
    """Run the cases of all rules, or of those named.

    Every case is run twice: the second run must change nothing.
    """
    rules = catalog.load_rules()
    chosen = [_one_rule(rules, rule_id) for rule_id in rule_ids] or rules
    results = run_cases(chosen, catalog.load_targets())
    if as_json:
        click.echo(dumps(case_document(results)))
    else:
        show(case_blocks(results))
    failed = sum(not result.ok for result in results)
    if failed:
        raise click.exceptions.Exit(CaseFailure.exit_code)
