"""What ``porter export`` tells: the steps, and how they are put on the pristine packages."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from porter.export.forms import branch_name, patch_name
from porter.render.blocks import BLANK, Block, Command, Table, Text
from porter.render.words import count, versions

if TYPE_CHECKING:
    from porter.export.run import Exported


def exported_blocks(done: Exported) -> list[Block]:
    """One row a step, and what to type next."""
    manifest = done.subject.manifest
    head = f"{done.out}: the port of {versions(manifest.pins)} to {manifest.target}"
    rows = tuple(
        (
            patch_name(number, step) if done.form == "patches" else step.name,
            str(len(step.after)),
            f"+{sum(diff.added for diff in step.diffs)}",
            f"-{sum(diff.removed for diff in step.diffs)}",
        )
        for number, step in enumerate(done.steps, start=1)
    )
    headers = ("Patch" if done.form == "patches" else "Rule", "Files", "Added", "Removed")
    files = {path for step in done.steps for path in step.after}
    total = Text(f"{count(len(done.steps), 'step')}, {count(len(files), 'file')}")
    table = Table(headers, rows, right=(1, 2, 3), styles=((0, "cyan"),))
    return [Text(head, "bold"), table, total, BLANK, _next(done)]


def _next(done: Exported) -> Block:
    folder = shlex.quote(str(done.out))
    if done.form == "git":
        return Command("Review", f"git -C {folder} log --stat {branch_name(done.subject)}")
    if done.form == "patches":
        apply = f'while read p; do patch -p1 < {folder}/"$p"; done < {folder}/series'
        return Command("In a folder with the pristine packages", apply)
    record = next(iter(done.subject.manifest.packages.items()), None)
    place = record[1].folder if record and record[1].folder != "." else "SITE-PACKAGES"
    package = record[0] if record else "PACKAGE"
    return Command("On the pristine package", f"cp -r {folder}/{package}_need/. {place}/")


def exported_document(done: Exported) -> dict[str, Any]:
    """``porter export``.

    Keys: ``as``, ``out``, ``target``, ``versions``, ``branch``, ``steps`` (each ``name``,
    ``subject``, ``patch``, ``changed``, ``added``).
    """
    manifest = done.subject.manifest
    return {
        "as": done.form,
        "out": str(done.out),
        "target": manifest.target,
        "versions": manifest.pins,
        "branch": branch_name(done.subject) if done.form == "git" else None,
        "steps": [
            {
                "name": step.name,
                "subject": step.subject,
                "patch": patch_name(number, step) if done.form == "patches" else None,
                "changed": sorted(diff.name for diff in step.diffs if not diff.is_new),
                "added": sorted(diff.name for diff in step.diffs if diff.is_new),
            }
            for number, step in enumerate(done.steps, start=1)
        ],
    }
