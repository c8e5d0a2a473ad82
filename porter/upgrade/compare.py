"""What changed between two ports: rules gained, lost, moved, and done otherwise."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from porter.manifest import Manifest
from porter.upgrade.model import RuleChange

_ORDER = ("gained", "lost", "changed", "moved")


@dataclass(frozen=True)
class Place:
    """One edit of a rule, or a file that it adds (on line 0)."""

    path: str
    line: int
    new: bytes


def compare_ports(before: Manifest, after: Manifest) -> tuple[list[RuleChange], int]:
    """The differences by kind, package and rule, and how many rules do the same as before."""
    old, new = _places(before), _places(after)
    reasons = {(skip.package, skip.rule): skip.reason for skip in after.skips}
    found: list[RuleChange] = []
    for package, rule in sorted(old.keys() | new.keys()):
        change = _change(
            package,
            rule,
            old.get((package, rule), []),
            new.get((package, rule), []),
            reasons.get((package, rule), "the rule is no longer there"),
        )
        if change:
            found.append(change)
    found.sort(key=lambda change: _ORDER.index(change.kind))
    return found, len(old.keys() | new.keys()) - len(found)


def _places(manifest: Manifest) -> Mapping[tuple[str, str], list[Place]]:
    found: dict[tuple[str, str], list[Place]] = defaultdict(list)
    for file in manifest.files:
        if file.added:
            found[file.package, file.rule].append(Place(file.path, 0, file.content))
        for edit in file.edits:
            place = Place(file.path, edit.first_line, edit.new)
            found[file.package, edit.rule].append(place)
    return found


def _change(
    package: str, rule: str, old: Sequence[Place], new: Sequence[Place], reason: str
) -> RuleChange | None:
    if not old:
        return RuleChange("gained", package, rule, tuple(map(_shown, _by_file(new))))
    if not new:
        return RuleChange("lost", package, rule, (reason,))
    if sorted((place.path, place.new) for place in old) != sorted((p.path, p.new) for p in new):
        return RuleChange("changed", package, rule, tuple(_differences(old, new)))
    moved = [(one, other) for one, other in zip(old, new) if one.line != other.line]
    if not moved:
        return None
    details = dict.fromkeys(f"{_shown(one)} -> {other.line}" for one, other in moved)
    return RuleChange("moved", package, rule, tuple(details))


def _differences(old: Sequence[Place], new: Sequence[Place]) -> list[str]:
    counts = {
        path: (sum(p.path == path for p in old), sum(p.path == path for p in new))
        for path in sorted({place.path for place in (*old, *new)})
    }
    return [
        f"{path}: {was} edits, now {now}" if was != now else f"{path}: {now} edits, other text"
        for path, (was, now) in counts.items()
        if was != now or _texts(old, path) != _texts(new, path)
    ]


def _texts(places: Sequence[Place], path: str) -> list[bytes]:
    return sorted(place.new for place in places if place.path == path)


def _by_file(places: Sequence[Place]) -> list[Place]:
    """The first place of each file."""
    return list({place.path: place for place in reversed(places)}.values())[::-1]


def _shown(place: Place) -> str:
    return f"{place.path}:{place.line}" if place.line else place.path
