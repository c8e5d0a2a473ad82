"""``porter diff``: what a port changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click

from porter.cli.options import (
    Catalog,
    Choice,
    Origin,
    Pins,
    catalog_options,
    check_name,
    choice_options,
    into_option,
    json_option,
    origin_options,
    pin_options,
    target_option,
)
from porter.diff import FileDiff, file_diffs
from porter.errors import TreeStateError, WriteError
from porter.manifest import read_manifest
from porter.model import PROJECT, Plan, Rule, Target
from porter.port.earlier import without_replaced
from porter.port.planned import planned
from porter.port.pristine import pristine_trees
from porter.render.blocks import Text, show
from porter.render.difftext import diff_blocks, stat_blocks
from porter.render.machine import diff_document, dumps
from porter.render.page import diff_page
from porter.render.progress import shown_progress
from porter.source import Cache, FolderTree, Tree, fetch, find_trees
from porter.source.pins import same_version


@click.command()
@target_option
@into_option("Diff the packages found here, not the target's pins.", default=None)
@click.option("--stat", is_flag=True, help="Only how much changes in each file.")
@click.option(
    "--html",
    "page",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write one self-contained page: each hunk with its rule, why and source.",
)
@choice_options
@pin_options
@origin_options
@catalog_options
@json_option
def command(
    target_name: str,
    into: Path | None,
    stat: bool,
    page: Path | None,
    choice: Choice,
    pins: Pins,
    source: Origin,
    catalog: Catalog,
    as_json: bool,
) -> None:
    """Show what a port changes, as a unified diff.

    No folder is needed: upstream comes from the cache, and is fetched if it is not
    there. `git apply` and `patch -p1` accept the diff in a folder that holds each
    package's sources.

    \b
      porter diff --target npu --stat
      porter diff --target sdaa --package mmcv --html sdaa.html
    """
    rules = catalog.load_rules()
    target = choice.asking(catalog.target(target_name), rules)
    ground = (
        _folder(into, target, pins, choice) if into else _releases(target, pins, source, as_json)
    )
    plan, diffs = _port(target, rules, ground, choice)
    if page:
        _write_page(page, diff_page(target, plan, diffs, rules))
    if as_json:
        click.echo(dumps(diff_document(plan, diffs)))
    elif stat:
        show(stat_blocks(diffs))
    elif page:
        show([Text(f"Wrote {page}"), *stat_blocks(diffs)[-1:]])
    else:
        show(diff_blocks(diffs))


@dataclass(frozen=True)
class _Ground:
    """Pristine trees by package, and where each is in the folder that the diff is for."""

    trees: Mapping[str, Tree]
    folders: Mapping[str, str]


def _releases(target: Target, pins: Pins, source: Origin, silent: bool) -> _Ground:
    """The releases that are pinned, from the cache or fetched."""
    wanted = [source.pin(*item) for item in pins.versions(target).items()]
    with shown_progress(silent=silent) as progress:
        trees = fetch(wanted, Cache(), progress=progress, **source.arguments())
    return _Ground({tree.package: tree for tree in trees}, {})


def _folder(into: Path, target: Target, pins: Pins, choice: Choice) -> _Ground:
    """The packages of a folder as upstream has them, though they may be ported."""
    applied = read_manifest(into)
    project = applied is not None and PROJECT in applied.packages
    names = dict.fromkeys((*pins.versions(target), *choice.packages))
    found = find_trees(into, [PROJECT] if project else list(names))
    _check_found(into, found, pins.asked(target, choice.packages))
    manifest = without_replaced(into, applied, found)
    folders = {name: tree.root.relative_to(into).as_posix() for name, tree in found.items()}
    return _Ground(pristine_trees(into, found, manifest), folders)


def _check_found(into: Path, found: Mapping[str, FolderTree], asked: Mapping[str, str]) -> None:
    if not found:
        raise TreeStateError(
            f"{into} holds none of the packages to port",
            hint="Name a vendor folder or a site-packages folder, or leave --into away.",
        )
    for package, version in asked.items():
        if package in found and not same_version(found[package].version, version):
            raise TreeStateError(
                f"{into} has {package} {found[package].version}, but {version} is asked for",
                hint="Leave --into away to see the port of another version.",
            )


def _port(
    target: Target, rules: Sequence[Rule], ground: _Ground, choice: Choice
) -> tuple[Plan, list[FileDiff]]:
    """The plan and its diffs, of the packages asked for.

    All packages are planned together, as rules of one may depend on the version of another.
    """
    for package in choice.packages:
        check_name("--package", package, list(ground.trees))
    plan, _ = planned(
        rules, target, ground.trees, Cache(),
        only=choice.only, without=choice.without, must_compile=False,
    )  # fmt: skip
    if choice.packages:
        plan = _narrowed(plan, choice.packages)
    return plan, file_diffs(plan, ground.trees, ground.folders)


def _narrowed(plan: Plan, packages: Sequence[str]) -> Plan:
    return replace(
        plan,
        versions={name: version for name, version in plan.versions.items() if name in packages},
        edits=tuple(edit for edit in plan.edits if edit.package in packages),
        new_files=tuple(new for new in plan.new_files if new.package in packages),
        skips=tuple(skip for skip in plan.skips if skip.package in packages),
    )


def _write_page(path: Path, page: str) -> None:
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise WriteError(f"--html {path}: cannot be written: {error.strerror}") from error
