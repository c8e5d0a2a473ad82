"""What rules find in a release: looked up once for each rule and archive, and kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from porter.errors import WriteError
from porter.manifest import digest
from porter.matrix.model import Look
from porter.model import Rule, Target
from porter.plan import Findings, Task, Tree, added_files, missed, search, tasks_for, with_files
from porter.source import Cache

_SHOWN_EDIT = 12


@dataclass(frozen=True)
class Companion:
    """A package that is there in some version, and is not looked into."""

    package: str
    version: str

    def paths(self) -> Sequence[str]:
        """None."""
        return ()

    def read(self, path: str) -> bytes:
        """Nothing."""
        raise KeyError(path)


def companions(target: Target, package: str, version: str) -> dict[str, str]:
    """The versions of the other packages that a release is ported with.

    Those of the target's set of pins with the same major version of the package; else the
    default ones.
    """
    major = version.partition(".")[0]
    sets = [target.pins["default"], *target.pins.values()]
    fitting = [s for s in sets if s.get(package, "").partition(".")[0] == major]
    chosen = fitting[0] if fitting else target.pins["default"]
    return {name: pin for name, pin in chosen.items() if name != package}


def look(rules: Sequence[Rule], target: Target, tree: Tree) -> dict[str, Look]:
    """What each rule finds in a tree, by itself."""
    others = companions(target, tree.package, tree.version)
    trees: dict[str, Tree] = {name: Companion(name, pin) for name, pin in others.items()}
    trees[tree.package] = tree
    present, absent = with_files([(rule, tree.package) for rule in rules], trees)
    tasks = list(tasks_for(present, target, trees))
    findings = search(tasks, trees)
    found = {rule.id: _look(rule, tasks, findings, trees) for rule, _ in present}
    return found | {skip.rule: Look(absent=True) for skip in absent}


def _look(rule: Rule, tasks: Sequence[Task], findings: Findings, trees: Mapping[str, Tree]) -> Look:
    """The part of the findings that is one rule's."""
    numbers = [number for number, task in enumerate(tasks) if task.rule is rule]
    if not numbers:
        return Look(("no edit is made in this version",))
    own = [tasks[number] for number in numbers]
    part = Findings(
        {i: findings.edits[n] for i, n in enumerate(numbers) if n in findings.edits},
        {i: findings.places[n] for i, n in enumerate(numbers) if n in findings.places},
        [message for message in findings.failures if _is_of(message, rule)],
    )
    new = added_files(own, trees, part)
    part.failures += missed(own, trees, part)
    edits = [
        (edit.path, edit.start, edit.end, hashlib.sha256(edit.new).hexdigest()[:_SHOWN_EDIT])
        for found in part.edits.values()
        for edit in found
    ]
    edits += [(file.path, 0, 0, digest(file.content)[:_SHOWN_EDIT]) for file in new]
    return Look(tuple(dict.fromkeys(part.failures)), tuple(sorted(edits)))


def _is_of(message: str, rule: Rule) -> bool:
    # A file that does not parse is nobody's own: whoever looks there cannot be sure.
    return message.startswith(f"rule {rule.id}, ") or not message.startswith("rule ")


@dataclass(frozen=True)
class Shelf:
    """What is kept of one release, under the digests of all that it depends on.

    Attributes:
        path: Empty if something has no digest, so that nothing can be kept.
    """

    path: Path
    cache: Cache

    @classmethod
    def of(cls, cache: Cache, code: str, target: Target, archive: str, others: object) -> Shelf:
        """The shelf of a release.

        Args:
            code: Digest of porter's own code.
            archive: The archive's sha256.
            others: The versions of the other packages.
        """
        name = digest(repr([code, target.digest, archive, others]).encode())
        return cls(cache.matrix_path(name), cache)

    def read(self) -> dict[str, Look]:
        """Rule digest -> what it finds; empty if there is nothing, or it is damaged."""
        try:
            seal, _, data = self.path.read_bytes().partition(b"\n")
            if seal != digest(data).encode():
                return {}
            return {key: _decoded(raw) for key, raw in json.loads(data).items()}
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    def write(self, looks: Mapping[str, Look]) -> None:
        """Keep them; what cannot be kept is looked up again."""
        rows = {key: asdict(found) for key, found in looks.items()}
        data = json.dumps(rows, sort_keys=True).encode()
        with suppress(WriteError), self.cache.lock("matrix"), self.cache.writing():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            draft = self.path.with_name("draft")
            draft.write_bytes(digest(data).encode() + b"\n" + data)
            draft.replace(self.path)


def _decoded(raw: Any) -> Look:
    edits = tuple((str(p), int(s), int(e), str(new)) for p, s, e, new in raw["edits"])
    return Look(tuple(map(str, raw["problems"])), edits, bool(raw["absent"]))
