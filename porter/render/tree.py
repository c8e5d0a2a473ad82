"""What ``porter status`` and ``porter revert`` tell of a folder."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from porter.render.blocks import BLANK, Block, Command, Style, Table, Text
from porter.render.words import count

if TYPE_CHECKING:
    from porter.port.state import PackageState, TreeState
    from porter.revert import RevertOutcome

_SHOWN = 20


def status_blocks(tree: TreeState, into: Path) -> list[Block]:
    """One row a package, the files that are not as they should be, and what to do."""
    head = f"{into}: {_head(tree)}"
    shown = [package for package in tree.packages if _is_worth_a_row(package, tree)]
    blocks: list[Block] = [Text(head, "bold"), _package_table(shown)]
    for package in shown:
        blocks += _file_list(f"{package.package}: edited by hand", package.edited, "yellow")
        blocks += _file_list(f"{package.package}: unfinished", package.unfinished, "red")
    if tree.stale:
        blocks.append(Text(_stale_words(tree), "yellow"))
    return [*blocks, *_next(tree, into)]


def _head(tree: TreeState) -> str:
    if _is_half_written(tree):
        return "half-written"
    if tree.manifest is None:
        return "not ported"
    files = count(len(tree.manifest.files), "file")
    return (
        f"ported for {tree.manifest.target}, {files} by {count(len(tree.manifest.rules), 'rule')}"
    )


def _is_half_written(tree: TreeState) -> bool:
    return any(package.state == "half-written" for package in tree.packages)


def _is_worth_a_row(package: PackageState, tree: TreeState) -> bool:
    """An absent package is news only where a port had it, or where nothing is there at all."""
    recorded = tree.manifest.packages if tree.manifest else {}
    return package.state != "absent" or package.package in recorded


def _package_table(packages: Iterable[PackageState]) -> Table:
    rows = tuple(
        (
            package.package,
            package.version or "-",
            package.state,
            str(len(package.ported)),
            str(len(package.edited)),
        )
        for package in packages
    )
    headers = ("Package", "Version", "State", "Files ported", "By hand")
    return Table(headers, rows, right=(3, 4), styles=((0, "cyan"),))


def _file_list(title: str, paths: Sequence[str], style: Style) -> list[Block]:
    if not paths:
        return []
    blocks: list[Block] = [Text(f"{title} ({len(paths)})", style)]
    blocks += [Text(path, indent=2) for path in paths[:_SHOWN]]
    if len(paths) > _SHOWN:
        blocks.append(Text(f"and {len(paths) - _SHOWN} more; --json lists them all", indent=2))
    return blocks


def _stale_words(tree: TreeState) -> str:
    if not tree.stale_rules:
        return "Ported by other rules, or another porter, than today's."
    changed = ", ".join(tree.stale_rules)
    return f"Ported by other rules than today's; changed or gone since: {changed}."


def _next(tree: TreeState, into: Path) -> list[Block]:
    folder = shlex.quote(str(into))
    if tree.manifest is None or not (tree.stale or _is_half_written(tree)):
        return []
    target = shlex.quote(tree.manifest.target)
    return [BLANK, Command("Next", f"porter apply --target {target} --into {folder}")]


def status_document(tree: TreeState) -> dict[str, Any]:
    """``porter status``.

    Keys: ``target`` (null if not ported), ``half_written``, ``stale``, ``stale_rules``,
    ``packages`` (each ``package``, ``version``, ``state``, ``ported``, ``edited``,
    ``unfinished``; the last three are lists of files, relative to the folder).
    """
    return {
        "target": tree.manifest.target if tree.manifest else None,
        "half_written": _is_half_written(tree),
        "stale": tree.stale,
        "stale_rules": sorted(tree.stale_rules),
        "packages": [
            {
                "package": package.package,
                "version": package.version,
                "state": package.state,
                "ported": sorted(package.ported),
                "edited": sorted(package.edited),
                "unfinished": sorted(package.unfinished),
            }
            for package in tree.packages
        ],
    }


def revert_blocks(outcome: RevertOutcome, into: Path) -> list[Block]:
    """How much is upstream's again."""
    blocks: list[Block] = []
    if outcome.finished:
        blocks.append(Text("Finished a run that had been killed.", "yellow"))
    if outcome.target:
        restored = count(len(outcome.restored), "file")
        removed = f"{count(len(outcome.removed), 'added file')} removed"
        words = f"{into} is no longer ported for {outcome.target}"
        blocks.append(Text(f"{words}: {restored} restored, {removed}.", "bold"))
    blocks += _file_list("Edits by hand that stay", outcome.merged, "yellow")
    return blocks


def revert_document(outcome: RevertOutcome) -> dict[str, Any]:
    """``porter revert``.

    Keys: ``target`` (empty if only a killed revert was finished), ``finished``, and the
    lists of files ``restored``, ``removed`` and ``merged``.
    """
    return {
        "target": outcome.target,
        "finished": outcome.finished,
        "restored": sorted(outcome.restored),
        "removed": sorted(outcome.removed),
        "merged": sorted(outcome.merged),
    }
