"""Why a line of a ported tree is as it is: the rule behind it, and what that rule says."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from porter.errors import TreeStateError, UsageError
from porter.manifest import (
    MANIFEST_PATH,
    PRISTINE_DIR,
    EditRecord,
    FileRecord,
    Manifest,
    digest,
    read_manifest,
)
from porter.model import Edit, Rule
from porter.plan.splice import splice
from porter.rulebook.operations import KINDS


@dataclass(frozen=True)
class Reason:
    """One edit behind a line.

    Attributes:
        kind: The kind of operation, as a rule file spells it; empty if not known.
        first_line: Where the edit's text stands in the ported file; likewise ``last_line``.
        before: The whole pristine lines that the edit touched; None if they are lost, or if
            a rule added the file.
        after: What stands in their place; the text put there alone, if they are lost.
        rule: The rule as the catalog has it now; None if it is no longer there.
        changed: Whether the catalog's rule differs from the one that made the edit.
    """

    rule_id: str
    kind: str
    first_line: int
    last_line: int
    before: str | None
    after: str
    rule: Rule | None
    changed: bool


@dataclass(frozen=True)
class Explanation:
    """What is known of one line.

    Attributes:
        file: The path relative to the tree.
        text: The line itself.
        package: Empty if the file belongs to no package of the port.
        by_hand: Whether the line was edited by hand after the port.
        file_by_hand: Whether any line of the file was.
        reasons: The edits behind the line; none for a line of upstream's.
        edits: First line, last line and rule of each edit of the file, as the port left it.
    """

    file: str
    line: int
    text: str
    target: str
    package: str
    version: str
    by_hand: bool
    file_by_hand: bool
    reasons: tuple[Reason, ...]
    edits: tuple[tuple[int, int, str], ...]


def explain(into: Path, file: Path, line: int, rules: Sequence[Rule]) -> Explanation:
    """The reasons for one line of a ported tree.

    Args:
        into: The ported tree.
        file: The file: as seen from the working folder, from the tree, or from a package.
        line: Counted from 1, in the file as it is now.
        rules: The catalog, for what the manifest does not hold.

    Raises:
        TreeStateError: If the folder is not ported.
        UsageError: If there is no such file in the tree, or no such line in the file.
    """
    manifest = read_manifest(into)
    if manifest is None:
        raise TreeStateError(f"{into} is not ported", hint="`porter apply` ports it.")
    location = _locate(into, file, manifest)
    data = _read(into / location)
    lines = _lines(data)
    if not 1 <= line <= len(lines):
        raise UsageError(f"{file}: no line {line}: the file has {len(lines)}")
    record = manifest.by_location.get(location)
    package = record.package if record else _package_of(location, manifest)
    ported = _ported_line(into, record, data, line)
    return Explanation(
        file=location,
        line=line,
        text=lines[line - 1],
        target=manifest.target,
        package=package,
        version=manifest.pins.get(package, ""),
        by_hand=ported is None,
        file_by_hand=record is not None and digest(data) != record.after,
        reasons=tuple(_reasons(into, manifest, record, ported, rules)),
        edits=tuple((c.lines.start, c.lines.stop - 1, c.rule) for c in _changes(record)),
    )


def find_ported_tree(file: Path) -> Path:
    """The nearest folder above a file that porter has ported.

    Raises:
        TreeStateError: If there is none.
    """
    for folder in file.absolute().parents:
        if (folder / MANIFEST_PATH).is_file():
            return folder
    raise TreeStateError(
        f"{file} is in no ported tree", hint="Name the tree with --into, or port it first."
    )


def _locate(into: Path, file: Path, manifest: Manifest) -> str:
    root = into.resolve()
    folders = [root / record.folder for record in manifest.packages.values()]
    for candidate in (file, *(folder / file for folder in (root, *folders))):
        found = candidate.resolve()
        if found.is_file() and found.is_relative_to(root):
            return found.relative_to(root).as_posix()
    raise UsageError(
        f"no file {file} in {into}", hint="Give its path from here, or from the ported tree."
    )


def _package_of(location: str, manifest: Manifest) -> str:
    for name, record in manifest.packages.items():
        prefix = name if record.folder == "." else record.folder
        if location.startswith(f"{prefix}/"):
            return name
    return ""


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error


def _lines(data: bytes) -> list[str]:
    lines = _decoded(data).split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def _decoded(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _pristine(into: Path, record: FileRecord) -> bytes | None:
    """The bytes that the port kept; None if they are lost or damaged."""
    path = into / PRISTINE_DIR / record.before
    data = path.read_bytes() if record.before and path.is_file() else b""
    return data if digest(data) == record.before else None


def _ported(into: Path, record: FileRecord) -> bytes | None:
    """The file as porter left it; None if its pristine bytes are lost."""
    if record.added:
        return record.content
    pristine = _pristine(into, record)
    return None if pristine is None else splice(pristine, _edits(record))


def _edits(record: FileRecord) -> list[Edit]:
    return [
        Edit(record.package, record.path, e.start, e.end, e.new, e.rule, e.operation)
        for e in record.edits
    ]


def _ported_line(into: Path, record: FileRecord | None, now: bytes, line: int) -> int | None:
    """The number that a line had when porter left the file; None if it was not there."""
    if record is None or digest(now) == record.after:
        return line
    ported = _ported(into, record)
    return line if ported is None else dict(_same_lines(_lines(now), _lines(ported))).get(line)


def _same_lines(one: Sequence[str], other: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Pairs of line numbers, counted from 1, of the lines that two files share."""
    matcher = difflib.SequenceMatcher(None, one, other, autojunk=False)
    for block in matcher.get_matching_blocks():
        for offset in range(block.size):
            yield block.a + offset + 1, block.b + offset + 1


def _reasons(
    into: Path,
    manifest: Manifest,
    record: FileRecord | None,
    line: int | None,
    rules: Sequence[Rule],
) -> Iterable[Reason]:
    if record is None or line is None:
        return []
    catalog = {rule.id: rule for rule in rules}
    if record.added:
        return [_reason_of_file(record, manifest.rules, catalog)]
    pristine = _pristine(into, record)
    changed = _changed_lines(pristine, _ported(into, record))
    return [
        _reason(change, pristine, record.path, manifest.rules, catalog)
        for change in _changes(record)
        if _is_behind(change, line, changed)
    ]


@dataclass(frozen=True)
class _Change:
    """Edits of one operation that touch.

    A rewrite leaves alone what its pattern and its replacement share, so one place in the
    code can be several edits; to a reader it is one.
    """

    edits: tuple[EditRecord, ...]

    @property
    def rule(self) -> str:
        return self.edits[0].rule

    @property
    def lines(self) -> range:
        """The lines of the ported file that the edits cover."""
        return range(self.edits[0].first_line, self.edits[-1].last_line + 1)

    def goes_on_with(self, edit: EditRecord) -> bool:
        first = self.edits[0]
        same = (first.rule, first.operation) == (edit.rule, edit.operation)
        return same and edit.first_line <= self.lines.stop


def _changes(record: FileRecord | None) -> list[_Change]:
    changes: list[_Change] = []
    for edit in record.edits if record else ():
        if changes and changes[-1].goes_on_with(edit):
            changes[-1] = _Change((*changes[-1].edits, edit))
        else:
            changes.append(_Change((edit,)))
    return changes


def _changed_lines(pristine: bytes | None, ported: bytes | None) -> set[int] | None:
    """Numbers of the ported lines that upstream has not; None if that cannot be told."""
    if pristine is None or ported is None:
        return None
    lines = _lines(ported)
    same = {number for number, _ in _same_lines(lines, _lines(pristine))}
    return set(range(1, len(lines) + 1)) - same


def _is_behind(change: _Change, line: int, changed: set[int] | None) -> bool:
    """Whether an edit made a line what it is, or took away text where the line stands."""
    if line not in change.lines:
        return False
    return changed is None or line in changed or changed.isdisjoint(change.lines)


def _reason(
    change: _Change,
    pristine: bytes | None,
    path: str,
    digests: Mapping[str, str],
    catalog: Mapping[str, Rule],
) -> Reason:
    rule = catalog.get(change.rule)
    before, after = _before_and_after(change, pristine, path)
    return Reason(
        rule_id=change.rule,
        kind=_kind(rule, change.edits[0].operation),
        first_line=change.lines.start,
        last_line=change.lines.stop - 1,
        before=before,
        after=after,
        rule=rule,
        changed=rule is not None and digests.get(change.rule) != rule.digest,
    )


def _before_and_after(change: _Change, pristine: bytes | None, path: str) -> tuple[str | None, str]:
    """The whole lines that edits touch, as upstream has them and as the port does."""
    if pristine is None:
        return None, "\n".join(_decoded(edit.new).strip("\n").rstrip() for edit in change.edits)
    first = pristine.rfind(b"\n", 0, change.edits[0].start) + 1
    end = pristine.find(b"\n", change.edits[-1].end)
    before = pristine[first : end if end >= 0 else None]
    moved = [
        Edit("", path, edit.start - first, edit.end - first, edit.new, edit.rule)
        for edit in change.edits
    ]
    return _decoded(before), _decoded(splice(before, moved))


def _reason_of_file(
    record: FileRecord, digests: Mapping[str, str], catalog: Mapping[str, Rule]
) -> Reason:
    rule = catalog.get(record.rule)
    lines = _lines(record.content)
    return Reason(
        rule_id=record.rule,
        kind="add-file",
        first_line=1,
        last_line=len(lines),
        before=None,
        after="\n".join(lines),
        rule=rule,
        changed=rule is not None and digests.get(record.rule) != rule.digest,
    )


def _kind(rule: Rule | None, operation: int) -> str:
    if rule is None or not 0 <= operation < len(rule.operations):
        return ""
    found = type(rule.operations[operation])
    return next((kind for kind, cls in KINDS.items() if cls is found), "")
