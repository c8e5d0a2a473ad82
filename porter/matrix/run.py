"""The table of contents of a matrix."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from packaging.specifiers import SpecifierSet

from porter.errors import UnsupportedVersion
from porter.matrix.judge import judge_release
from porter.matrix.look import Shelf, companions, look
from porter.matrix.model import Cell, Grid, Look
from porter.model import Pin, Rule, Target, specifier_text
from porter.plan.selection import fits, trait_reason
from porter.port.planned import code_digest
from porter.source import Cache, Progress, fetch
from porter.source.listing import list_releases

#: Called with how many releases are done, of how many, and the one that is next.
Report = Callable[[int, int, str], None]


def releases_in_range(
    package: str, wanted: SpecifierSet, cache: Cache, *, offline: bool = False
) -> list[Pin]:
    """The releases of a package to look at, oldest first.

    Raises:
        SourceError: The index cannot be reached.
        UnsupportedVersion: No release is in the range.
    """
    pins = list_releases(package, cache, offline=offline)
    found = [pin for pin in pins if fits(pin.version, wanted)]
    if not found:
        known = f"{pins[0].version} to {pins[-1].version}" if pins else "none"
        raise UnsupportedVersion(
            f"{package}: no release is in {specifier_text(wanted) or 'any range'}",
            hint=f"Releases of {package} with a source archive: {known}.",
        )
    return found


def make_grid(
    rules: Sequence[Rule],
    target: Target,
    package: str,
    pins: Sequence[Pin],
    cache: Cache,
    *,
    offline: bool = False,
    progress: Progress | None = None,
    report: Report = lambda _done, _total, _what: None,
) -> Grid:
    """Every rule of a package that a target's traits ask for, on every release.

    What a rule finds in an archive is kept, so a rule that changes is looked up anew alone.

    Args:
        report: Told before each release.

    Raises:
        SourceError: An archive cannot be had, or is not the one listed.
    """
    own = [rule for rule in rules if package in rule.packages]
    asked = [rule for rule in own if not trait_reason(rule, target)]
    code, rows, kept = code_digest(), [], 0
    for number, pin in enumerate(pins):
        report(number, len(pins), str(pin))
        others = sorted(companions(target, package, pin.version).items())
        shelf = Shelf.of(cache, code, target, pin.sha256, others)
        looks = shelf.read() if code else {}
        missing = [rule for rule in asked if rule.digest not in looks]
        kept += not missing
        if missing:
            (tree,) = fetch([pin], cache, offline=offline, progress=progress)
            found = look(missing, target, tree)
            looks |= {rule.digest: found[rule.id] for rule in missing}
            shelf.write(looks)
        by_id: dict[str, Look] = {rule.id: looks[rule.digest] for rule in asked}
        rows.append(judge_release(asked, target, package, pin.version, by_id))
    report(len(pins), len(pins), "")
    return Grid(
        target=target.name,
        package=package,
        versions=tuple(pin.version for pin in pins),
        stated={rule.id: _stated(rule, package) for rule in asked},
        cells={rule.id: _column(rows, number) for number, rule in enumerate(asked)},
        other=len(own) - len(asked),
        kept=kept,
    )


def _stated(rule: Rule, package: str) -> str:
    wanted = rule.requires.get(package)
    return "" if wanted is None else specifier_text(wanted)


def _column(rows: Sequence[Sequence[Cell]], number: int) -> tuple[Cell, ...]:
    return tuple(row[number] for row in rows)
