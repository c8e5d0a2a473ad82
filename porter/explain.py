"""Why a line of a ported tree is as it is: the rule behind it, and what that rule says."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
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
from porter.operations import KINDS
from porter.splice import splice


@dataclass(frozen=True)
class Reason:
    """One edit behind a line.

    Attributes:
        kind: The kind of operation, as a rule file spells it; empty if not known.
        first_line: Where the edit's text stands in the ported file; likewise ``last_line``.
        before: The whole pristine lines that the edit touched; None if they are lost.
        after: The whole ported lines.
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
        edits=tuple((e.first_line, e.last_line, e.rule) for e in _joined(record)),
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
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def _pristine(into: Path, record: FileRecord) -> bytes | None:
    path = into / PRISTINE_DIR / record.before
    return path.read_bytes() if record.before and path.is_file() else None


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
    pristine, ported = _pristine(into, record), _ported(into, record)
    changed = _changed_lines(pristine, ported)
    return [
        _reason(edit, pristine, ported, manifest.rules, catalog)
        for edit in _joined(record)
        if _is_behind(edit, line, changed)
    ]


def _joined(record: FileRecord | None) -> list[EditRecord]:
    """The edits of a file, with those of one operation that touch joined into one.

    A rewrite leaves alone what its pattern and its replacement share, so one place in the
    code can be several edits; to a reader it is one.
    """
    joined: list[EditRecord] = []
    for edit in record.edits if record else ():
        last = joined[-1] if joined else edit
        same = (last.rule, last.operation) == (edit.rule, edit.operation)
        if joined and same and edit.first_line <= last.last_line + 1:
            new = last.new.rstrip() + b"\n" + edit.new
            joined[-1] = replace(last, end=edit.end, new=new, last_line=edit.last_line)
        else:
            joined.append(edit)
    return joined


def _changed_lines(pristine: bytes | None, ported: bytes | None) -> set[int] | None:
    """Numbers of the ported lines that upstream has not; None if that cannot be told."""
    if pristine is None or ported is None:
        return None
    lines = _lines(ported)
    same = {number for number, _ in _same_lines(lines, _lines(pristine))}
    return set(range(1, len(lines) + 1)) - same


def _is_behind(edit: EditRecord, line: int, changed: set[int] | None) -> bool:
    """Whether an edit made a line what it is, or took away text where the line stands."""
    covered = range(edit.first_line, edit.last_line + 1)
    if line not in covered:
        return False
    return changed is None or line in changed or changed.isdisjoint(covered)


def _reason(
    edit: EditRecord,
    pristine: bytes | None,
    ported: bytes | None,
    digests: Mapping[str, str],
    catalog: Mapping[str, Rule],
) -> Reason:
    rule = catalog.get(edit.rule)
    after = edit.new.decode("utf-8", "surrogateescape")
    if ported is not None:
        after = "\n".join(_lines(ported)[edit.first_line - 1 : edit.last_line])
    return Reason(
        rule_id=edit.rule,
        kind=_kind(rule, edit.operation),
        first_line=edit.first_line,
        last_line=edit.last_line,
        before=None if pristine is None else _whole_lines(pristine, edit.start, edit.end),
        after=after,
        rule=rule,
        changed=rule is not None and digests.get(edit.rule) != rule.digest,
    )


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


def _whole_lines(data: bytes, start: int, end: int) -> str:
    first = data.rfind(b"\n", 0, start) + 1
    last = data.find(b"\n", end)
    text = data[first : None if last < 0 else last]
    return text.decode("utf-8", "surrogateescape")


def _kind(rule: Rule | None, operation: int) -> str:
    if rule is None or not 0 <= operation < len(rule.operations):
        return ""
    found = type(rule.operations[operation])
    return next((kind for kind, cls in KINDS.items() if cls is found), "")
