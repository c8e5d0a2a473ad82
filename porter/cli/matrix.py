"""``porter matrix``: every rule against every release."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from porter.cli.options import Catalog, catalog_options, check_name, json_option
from porter.cli.runs import repeat_command
from porter.errors import PlanError, UsageError, WriteError
from porter.matrix.model import Grid
from porter.matrix.run import make_grid, releases_in_range
from porter.model import Rule, Target
from porter.render.blocks import Text, show
from porter.render.machine import dumps
from porter.render.matrix import matrix_blocks, matrix_document, matrix_page
from porter.render.watching import shown_watcher
from porter.source import Cache, known_packages
from porter.verify.watch import Watcher

_NAME = string.ascii_letters + "_- "


@click.command()
@click.option(
    "--target",
    "target_names",
    multiple=True,
    required=True,
    metavar="NAME",
    help="The chip whose rules are looked for; repeatable.",
)
@click.option(
    "--package",
    "packages",
    multiple=True,
    metavar="NAME",
    help="Only this package; repeatable. By default those of the target's pins.",
)
@click.option(
    "--versions",
    multiple=True,
    metavar="RANGE",
    help="Only these releases, such as '>=0.8,<0.11', or 'mmcv>=2.0' of one package; repeatable.",
)
@click.option("--near", is_flag=True, help="Show the nearest code outside stated ranges too.")
@click.option(
    "--page",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the tables as a page in Markdown.",
)
@click.option("--offline", is_flag=True, help="Use what the cache holds and no network.")
@catalog_options
@json_option
def command(
    target_names: tuple[str, ...],
    packages: tuple[str, ...],
    versions: tuple[str, ...],
    near: bool,
    page: Path | None,
    offline: bool,
    catalog: Catalog,
    as_json: bool,
) -> int:
    """Look for every rule in every release of upstream's.

    The releases come from the package index and are kept in the cache, as is what is
    found in them: a second run looks up what has changed, and no more. A rule holds, or
    upstream does the same itself, or nobody has looked at that version yet, and then it
    is told whether the rule would hold. The exit code is 5 if a rule does not hold in a
    version that it says it is for.

    \b
      porter matrix --target sdaa --package mmengine --versions ">=0.8"
      porter matrix --target sdaa --target npu --page docs/matrix.md
    """
    ranges = _ranges(versions)
    targets = [catalog.target(name) for name in target_names]
    rules, cache = catalog.load_rules(), Cache()
    with shown_watcher(silent=as_json) as watcher:
        grids = [
            _grid(rules, target, package, ranges, cache, offline, watcher)
            for target in targets
            for package in _packages(target, packages)
        ]
    if page:
        _write(page, matrix_page(grids, repeat_command()))
    if as_json:
        click.echo(dumps(matrix_document(grids)))
    else:
        show([*matrix_blocks(grids, near=near), *([Text(f"Wrote {page}")] if page else [])])
    return PlanError.exit_code if any(grid.broken for grid in grids) else 0


def _packages(target: Target, packages: tuple[str, ...]) -> tuple[str, ...]:
    known = tuple(dict.fromkeys(name for pins in target.pins.values() for name in pins))
    for package in packages:
        check_name("--package", package, known)
    return packages or tuple(target.pins["default"])


def _grid(
    rules: Sequence[Rule],
    target: Target,
    package: str,
    ranges: Mapping[str, SpecifierSet],
    cache: Cache,
    offline: bool,
    watcher: Watcher,
) -> Grid:
    stage = f"{package} for {target.name}"
    wanted = ranges.get(package, ranges.get("", SpecifierSet()))
    pins = releases_in_range(package, wanted, cache, offline=offline)
    watcher.begin(stage, len(pins))
    reached = 0

    def report(done: int, _total: int, what: str) -> None:
        nonlocal reached
        reached = done
        watcher.advance(stage, done, what)

    def progress(what: str, _done: int, _total: int) -> None:
        watcher.advance(stage, reached, f"fetching {what}")

    grid = make_grid(
        rules, target, package, pins, cache, offline=offline, progress=progress, report=report
    )
    watcher.end(stage)
    return grid


def _ranges(texts: Sequence[str]) -> dict[str, SpecifierSet]:
    """Package -> range; the one that is for all packages is under the empty name."""
    return dict(_range(text) for text in texts)


def _range(text: str) -> tuple[str, SpecifierSet]:
    package = text[: len(text) - len(text.lstrip(_NAME))].strip()
    try:
        wanted = SpecifierSet(text.removeprefix(package).strip())
    except InvalidSpecifier as error:
        raise UsageError(
            f"--versions {text}: not a range of versions",
            hint="Write it like --versions '>=0.8,<0.11' or --versions 'mmcv>=2.0'.",
        ) from error
    if package:
        check_name("--versions", package, known_packages())
    return package, wanted


def _write(path: Path, page: str) -> None:
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise WriteError(f"--page {path}: cannot be written: {error.strerror}") from error
