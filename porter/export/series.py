"""A port in steps: one a rule, each on top of those before it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from porter.diff import FileDiff, file_diff
from porter.export.subject import Subject
from porter.model import Rule, specifier_text
from porter.plan.splice import splice
from porter.port.ported import PortedFile

_WIDTH = 72


@dataclass(frozen=True)
class Step:
    """What one rule does to a tree in which the steps before it are made.

    Attributes:
        name: The rule's id; ``by-hand`` for the edits made by hand.
        subject: One line.
        body: Paragraphs: why, source, versions.
        diffs: One entry a file.
        after: Path relative to the tree -> its new bytes.
    """

    name: str
    subject: str
    body: str
    diffs: tuple[FileDiff, ...]
    after: Mapping[str, bytes]


def steps(subject: Subject, rules: Sequence[Rule]) -> Iterator[Step]:
    """The steps of a port, in order; edits made by hand come last.

    A rule comes after those that it needs, and else in the order of package and id.

    Args:
        rules: The catalog, for reasons and order.
    """
    catalog = {rule.id: rule for rule in rules}
    now: dict[str, bytes | None] = {path: file.pristine for path, file in subject.files.items()}
    done: set[str] = set()
    for rule in _ordered(subject.manifest.rules, catalog):
        done.add(rule)
        after = {
            path: data
            for path, file in subject.files.items()
            if _is_of(file, rule) and (data := _with_rules(file, done)) != now[path]
        }
        if after:
            title = f"Port to {subject.manifest.target}: {rule}"
            yield Step(
                rule, title, _body(subject, rule, catalog), _diffs(subject, now, after), after
            )
        now.update(after)
    if subject.edited:
        title = f"Port to {subject.manifest.target}: edits by hand"
        body = "Edits that were made by hand in the ported tree.\n"
        after = dict(subject.edited)
        yield Step("by-hand", title, body, _diffs(subject, now, after), after)


def _ordered(ids: Mapping[str, str], catalog: Mapping[str, Rule]) -> list[str]:
    found: dict[str, None] = {}

    def visit(rule: str) -> None:
        if rule not in found and rule in ids:
            for need in sorted(catalog[rule].needs) if rule in catalog else ():
                visit(need)
            found[rule] = None

    for rule in sorted(ids):
        visit(rule)
    return list(found)


def _is_of(file: PortedFile, rule: str) -> bool:
    return file.rule == rule or any(edit.rule == rule for edit in file.edits)


def _with_rules(file: PortedFile, done: set[str]) -> bytes:
    """A file with the edits of some rules made, and no others."""
    if file.pristine is None:
        return file.ported
    return splice(file.pristine, [edit for edit in file.edits if edit.rule in done])


def _diffs(
    subject: Subject, now: Mapping[str, bytes | None], after: Mapping[str, bytes]
) -> tuple[FileDiff, ...]:
    files = subject.files
    return tuple(
        file_diff(files[path].package, files[path].path, path, now[path], after[path])
        for path in sorted(after)
    )


def _body(subject: Subject, rule_id: str, catalog: Mapping[str, Rule]) -> str:
    rule = catalog.get(rule_id)
    versions = ", ".join(f"{name} {pin}" for name, pin in subject.manifest.pins.items())
    if rule is None:
        return f"The rule is no longer among porter's.\n\nMade for: {versions}\n"
    parts = [textwrap.fill(rule.why, _WIDTH), "", *_field("Source", rule.source)]
    if rule.digest != subject.manifest.rules[rule_id]:
        parts.append("Note: the rule has changed since the tree was ported.")
    if rule.requires:
        ranges = (f"{name} {specifier_text(wanted)}" for name, wanted in rule.requires.items())
        parts += _field("Versions", "; ".join(ranges))
    return "\n".join([*parts, *_field("Made for", versions)]) + "\n"


def _field(name: str, text: str) -> list[str]:
    return textwrap.wrap(f"{name}: {text}", _WIDTH, subsequent_indent="  ")
