"""A diff as one HTML page that needs nothing else: no script, no font, no network.

Every text that comes from a rule, a target or a file goes through ``html.escape``.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from string import Template, ascii_letters, digits

from porter.diff import FileDiff, Hunk, shared_prefix
from porter.model import Plan, Rule, Skip, Target
from porter.render.markup import prose, resource, text
from porter.render.words import count, native_words, requires_words

_WORD_CHARACTERS = f"_{ascii_letters}{digits}"


@dataclass(frozen=True)
class _Place:
    """A hunk, the file it is in, and the name by which links find it."""

    file: FileDiff
    hunk: Hunk
    anchor: str


def diff_page(target: Target, plan: Plan, diffs: Sequence[FileDiff], rules: Sequence[Rule]) -> str:
    """The page as text.

    Args:
        rules: The catalog; hunks are explained by the rules of these ids.
    """
    known = {rule.id: rule for rule in rules}
    by_package = {
        package: list(group) for package, group in groupby(diffs, key=lambda diff: diff.package)
    }
    page = Template(resource("page.html"))
    return page.substitute(
        title=text(f"What porting to {target.name} changes"),
        style=resource("page.css"),
        summary=prose(target.summary),
        facts=_facts(target, plan, diffs),
        contents="\n".join(_contents(package, group) for package, group in by_package.items())
        + ('<h2><a href="#skipped">Skipped rules</a></h2>' if plan.skips else ""),
        changes="\n".join(
            _package(package, plan.versions[package], group, known)
            for package, group in by_package.items()
        )
        or "<p>The port changes nothing.</p>",
        skipped=_skipped(plan.skips),
    )


def _facts(target: Target, plan: Plan, diffs: Sequence[FileDiff]) -> str:
    rules = {rule for diff in diffs for rule in diff.rules}
    pairs = [("Chip", f"{target.vendor} {target.chip}"), ("Device", target.device)]
    pairs += [(package, version) for package, version in sorted(plan.versions.items())]
    pairs += [
        ("Rules", str(len(rules))),
        ("Files", str(len(diffs))),
        ("Lines added", str(sum(diff.added for diff in diffs))),
        ("Lines removed", str(sum(diff.removed for diff in diffs))),
    ]
    return "\n".join(f"<div><dt>{text(n)}</dt><dd>{text(v)}</dd></div>" for n, v in pairs)


def _contents(package: str, diffs: Sequence[FileDiff]) -> str:
    by_rule: dict[str, list[_Place]] = {}
    for place in _places(diffs):
        for rule in place.hunk.rules:
            by_rule.setdefault(rule, []).append(place)
    rules = "".join(_entry(rule, _hops(found)) for rule, found in sorted(by_rule.items()))
    names = "".join(
        _entry(diff.path, _tally(diff), _anchor(diff.name), css="path") for diff in diffs
    )
    return (
        f'<h2><a href="#{_anchor(package)}">{text(package)}</a></h2>'
        f"<h3>Rules, and their changes</h3><ul>{rules}</ul><h3>Files</h3><ul>{names}</ul>"
    )


def _hops(places: Sequence[_Place]) -> str:
    """A numbered link to each hunk of a rule."""
    links = (f'<a href="#{place.anchor}">{n}</a>' for n, place in enumerate(places, start=1))
    return f'<span class="hops">{" ".join(links)}</span>'


def _tally(diff: FileDiff) -> str:
    plus, minus = f'class="plus">+{diff.added}', f'class="minus">-{diff.removed}'
    return f'<span class="tally"><span {plus}</span> <span {minus}</span></span>'


def _entry(words: str, aside: str, anchor: str = "", css: str = "rule") -> str:
    # A path or an id that is too long for its column breaks where its parts end.
    label = re.sub(r"([/_-])", r"\1<wbr>", text(words))
    named = f'<a class="{css}" href="#{anchor}">{label}</a>' if anchor else f"<span>{label}</span>"
    return f"<li>{named}{aside}</li>"


def _places(diffs: Iterable[FileDiff]) -> list[_Place]:
    return [
        _Place(diff, hunk, f"{_anchor(diff.name)}-{hunk.new_start}")
        for diff in diffs
        for hunk in diff.hunks
    ]


def _anchor(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name)


def _package(
    package: str, version: str, diffs: Sequence[FileDiff], rules: Mapping[str, Rule]
) -> str:
    body = "\n".join(_file(diff, rules) for diff in diffs)
    heading = f'{text(package)} <span class="version">{text(version)}</span>'
    return f'<section id="{_anchor(package)}"><h2>{heading}</h2>\n{body}</section>'


def _file(diff: FileDiff, rules: Mapping[str, Rule]) -> str:
    anchor = _anchor(diff.name)
    new = '<span class="new">new file</span>' if diff.is_new else ""
    told: set[str] = set()
    hunks: list[str] = []
    for place in _places([diff]):
        hunks.append(_hunk(place, rules, told))
        told.update(place.hunk.rules)
    return (
        f'<article class="file" id="{anchor}">'
        f'<h3><a href="#{anchor}">{text(diff.name)}</a>{new}'
        f"{_tally(diff)}</h3>\n{''.join(hunks)}</article>"
    )


def _hunk(place: _Place, rules: Mapping[str, Rule], told: Container[str]) -> str:
    """A hunk below its reasons; one that the file has told already is folded.

    Args:
        told: Ids of the rules whose reasons stand above.
    """
    reasons = "".join(
        _reason(rule_id, rules.get(rule_id), place, folded=rule_id in told)
        for rule_id in place.hunk.rules
    )
    lines = "".join(_rows(place.hunk))
    return (
        f'<section class="hunk" id="{place.anchor}"><div class="reasons">{reasons}</div>'
        f'<div class="diff"><div>{_header(place)}{lines}</div></div></section>\n'
    )


def _reason(rule_id: str, rule: Rule | None, place: _Place, *, folded: bool) -> str:
    link = f'<a href="#{place.anchor}">{text(rule_id)}</a>'
    if rule is None:
        return f'<div class="reason">{link}</div>'
    facts = [f"Source: {rule.source}", *requires_words(rule), *native_words(rule)]
    words = (
        f'<p class="why">{prose(rule.why)}</p>'
        f'<p class="origin">{" · ".join(prose(fact) for fact in facts)}</p>'
    )
    if folded:
        return f'<details class="reason"><summary>{link}</summary>{words}</details>'
    return f'<div class="reason">{link}{words}</div>'


def _header(place: _Place) -> str:
    link = f'<a href="#{place.anchor}">{text(place.hunk.header)}</a>'
    return f'<span class="row head">{link}</span>'


def _rows(hunk: Hunk) -> Iterable[str]:
    """One element a line, with its number in the old and in the new file."""
    old = hunk.old_start or 1
    new = hunk.new_start or 1
    for line, marked in zip(hunk.lines, _emphasized(hunk.lines), strict=True):
        mark = line[0]
        before = str(old) if mark in " -" else ""
        after = str(new) if mark in " +" else ""
        kind = {"+": "add", "-": "del", "\\": "note"}.get(mark, "same")
        numbers = f'data-old="{before}"><i data-new="{after}"></i>'
        yield f'<span class="row {kind}" {numbers}{marked}</span>'
        old += mark in " -"
        new += mark in " +"


def _emphasized(lines: Sequence[str]) -> Iterable[str]:
    """Lines as HTML; where as many are removed as added, what differs is emphasized."""
    runs = [list(group) for _, group in groupby(lines, key=lambda line: line[0])]
    for index, run in enumerate(runs):
        for line, other in zip(run, _counterparts(runs, index), strict=True):
            yield _emphasis(line, other) if other else text(line)


def _counterparts(runs: Sequence[Sequence[str]], index: int) -> Sequence[str]:
    """The lines that those of a run replace or are replaced by; empty where there are none."""
    run = runs[index]
    step, mark = {"-": (1, "+"), "+": (-1, "-")}.get(run[0][0], (0, ""))
    other = runs[index + step] if step and 0 <= index + step < len(runs) else []
    paired = len(other) == len(run) and other[0][0] == mark
    return other if paired else [""] * len(run)


def _emphasis(line: str, other: str) -> str:
    old, new = other[1:], line[1:]
    head = _shared_words(old, new)
    tail = _shared_words(old[head:][::-1], new[head:][::-1])
    if (head + tail) * 3 < len(new):  # little in common: the lines merely stand side by side
        return text(line)
    end = len(new) - tail
    middle = f"<b>{text(new[head:end])}</b>" if end > head else ""
    return text(line[0] + new[:head]) + middle + text(new[end:])


def _shared_words(one: str, other: str) -> int:
    """How long a beginning two lines share, without a word that goes on in either."""
    length = shared_prefix(one, other)
    following = one[length : length + 1] + other[length : length + 1]
    goes_on = following.strip(_WORD_CHARACTERS) != following
    return len(one[:length].rstrip(_WORD_CHARACTERS)) if goes_on else length


def _skipped(skips: Sequence[Skip]) -> str:
    if not skips:
        return ""
    rows = "".join(
        f"<tr><td><code>{text(skip.rule)}</code></td><td>{text(skip.package)}</td>"
        f"<td>{prose(skip.reason)}</td></tr>"
        for skip in sorted(skips, key=lambda skip: (skip.rule, skip.package))
    )
    skipped = count(len({skip.rule for skip in skips}), "rule")
    return (
        f'<section id="skipped"><h2>Skipped: {skipped}</h2>'
        '<table class="skips"><thead><tr><th>Rule</th><th>Package</th><th>Reason</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></section>"
    )
