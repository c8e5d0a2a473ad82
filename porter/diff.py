"""What a plan changes, as unified diffs: files, their hunks, and the rules behind each hunk.

The text has git's headers, so ``git apply`` and ``patch -p1`` take it. Lines end where
``\\n`` is, nowhere else, and bytes that are not UTF-8 travel as surrogate escapes:
``text.encode("utf-8", "surrogateescape")`` gives back exactly the bytes of the files.
"""

from __future__ import annotations

import difflib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from porter.model import Edit, NewFile, Plan
from porter.plan.splice import splice

if TYPE_CHECKING:
    from porter.source.tree import Tree

CONTEXT = 3
NO_NEWLINE = "\\ No newline at end of file"

_PYTHON_SECTION = re.compile(r"[ \t]*(?:class|def|async[ \t]+def)[ \t]")
_OTHER_SECTION = re.compile(r"[A-Za-z_$]")
_SECTION_WIDTH = 60
_PLAIN_NAME = re.compile(r"[^\x00-\x1f\x7f-\U0010ffff\"\\]*")

Opcode = tuple[str, int, int, int, int]
Span = tuple[int, int]


@dataclass(frozen=True)
class Hunk:
    """One run of changed lines with its context.

    Attributes:
        old_start: First line in the old file, counted from 1; the line before it if
            ``old_count`` is 0, as the format wants it. Likewise ``new_start``.
        section: The ``class`` or ``def`` line above, for the reader; may be empty.
        lines: Each with its mark (``" "``, ``"+"``, ``"-"``, ``"\\"``) and no line end.
        rules: Ids of the rules that made the change, sorted.
    """

    old_start: int
    old_count: int
    new_start: int
    new_count: int
    section: str
    lines: tuple[str, ...]
    rules: tuple[str, ...] = ()

    @property
    def header(self) -> str:
        """The ``@@`` line."""
        old = _range(self.old_start, self.old_count)
        new = _range(self.new_start, self.new_count)
        return f"@@ -{old} +{new} @@ {self.section}".rstrip()

    @property
    def added(self) -> int:
        """How many lines the hunk adds."""
        return sum(line.startswith("+") for line in self.lines)

    @property
    def removed(self) -> int:
        """How many lines the hunk removes."""
        return sum(line.startswith("-") for line in self.lines)


@dataclass(frozen=True)
class FileDiff:
    """What changes in one file.

    Attributes:
        path: Relative to the package's project root.
        name: The path that the diff speaks of, relative to the folder it is applied in.
        is_new: Whether the pristine tree has no such file.
    """

    package: str
    path: str
    name: str
    is_new: bool
    hunks: tuple[Hunk, ...]

    @cached_property
    def rules(self) -> tuple[str, ...]:
        """Ids of the rules behind the file's hunks, sorted."""
        return tuple(sorted({rule for hunk in self.hunks for rule in hunk.rules}))

    @property
    def added(self) -> int:
        """How many lines are added."""
        return sum(hunk.added for hunk in self.hunks)

    @property
    def removed(self) -> int:
        """How many lines are removed."""
        return sum(hunk.removed for hunk in self.hunks)

    @property
    def headers(self) -> tuple[str, ...]:
        """The lines above the first hunk."""
        old, new = _quoted(f"a/{self.name}"), _quoted(f"b/{self.name}")
        lines = [f"diff --git {old} {new}"]
        if self.is_new:
            lines.append("new file mode 100644")
            old = "/dev/null"
        if self.hunks:
            lines += [f"--- {_with_tab(old)}", f"+++ {_with_tab(new)}"]
        return tuple(lines)

    def lines(self) -> Iterable[str]:
        """The diff's lines in order, without line ends."""
        yield from self.headers
        for hunk in self.hunks:
            yield hunk.header
            yield from hunk.lines

    @property
    def text(self) -> str:
        """The whole diff of this file, with a line end after every line."""
        return "".join(f"{line}\n" for line in self.lines())


def file_diffs(
    plan: Plan, trees: Mapping[str, Tree], folders: Mapping[str, str] | None = None
) -> list[FileDiff]:
    """The diff of every file that a plan changes or adds.

    Args:
        trees: Package -> the pristine tree that the plan was made of.
        folders: Package -> its project root, relative to the folder that the diff is for:
            ``.`` in ``site-packages``. By default each is named like its package, as in a
            vendor folder.

    Returns:
        One entry a file, ordered by package and path.
    """
    grouped: dict[tuple[str, str], list[Edit]] = defaultdict(list)
    for edit in plan.edits:
        grouped[edit.package, edit.path].append(edit)
    found = [
        _changed_file(key, edits, trees[key[0]].read(key[1]), folders)
        for key, edits in grouped.items()
    ]
    found += [_added_file(new, folders) for new in plan.new_files]
    return sorted(found, key=lambda diff: (diff.package, diff.path))


def file_diff(package: str, path: str, name: str, before: bytes | None, after: bytes) -> FileDiff:
    """What changes in one file, with no rule behind its hunks.

    Args:
        name: The path that the diff is to speak of.
        before: None for a new file.
    """
    old = [] if before is None else _lines(_decoded(before))
    hunks = _hunks(old, _lines(_decoded(after)), python=path.endswith(".py"))
    return FileDiff(package, path, name, before is None, tuple(hunks))


def text_hunks(before: str, after: str) -> tuple[Hunk, ...]:
    """The hunks between two texts, with no rule behind them: for showing a case."""
    return tuple(_hunks(_lines(before), _lines(after)))


def shared_prefix(one: str | bytes, other: str | bytes) -> int:
    """How many characters or bytes two texts begin with in common."""
    length = min(len(one), len(other))
    return next((i for i in range(length) if one[i] != other[i]), length)


def _changed_file(
    key: tuple[str, str], edits: Sequence[Edit], pristine: bytes, folders: Mapping[str, str] | None
) -> FileDiff:
    package, path = key
    old = _lines(_decoded(pristine))
    hunks = _hunks(old, _lines(_decoded(splice(pristine, edits))), python=path.endswith(".py"))
    name = _diff_name(package, path, folders)
    return FileDiff(package, path, name, False, tuple(_with_rules(hunks, pristine, edits)))


def _added_file(new: NewFile, folders: Mapping[str, str] | None) -> FileDiff:
    hunks = _hunks([], _lines(_decoded(new.content)))
    ruled = tuple(replace(hunk, rules=(new.rule,)) for hunk in hunks)
    name = _diff_name(new.package, new.path, folders)
    return FileDiff(new.package, new.path, name, True, ruled)


def _diff_name(package: str, path: str, folders: Mapping[str, str] | None) -> str:
    folder = (folders or {}).get(package, package)
    return str(PurePosixPath(folder, path))


def _decoded(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _lines(text: str) -> list[str]:
    """Split after each ``\\n``; ``str.splitlines`` would also split at form feeds."""
    parts = text.split("\n")
    whole = [f"{part}\n" for part in parts[:-1]]
    return [*whole, parts[-1]] if parts[-1] else whole


def _hunks(old: Sequence[str], new: Sequence[str], *, python: bool = True) -> list[Hunk]:
    # autojunk would call frequent lines of a long file junk and find larger changes.
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    groups = matcher.get_grouped_opcodes(CONTEXT) if list(old) != list(new) else []
    return [_hunk(group, old, new, python) for group in groups]


def _hunk(group: Sequence[Opcode], old: Sequence[str], new: Sequence[str], python: bool) -> Hunk:
    _, old_low, _, new_low, _ = group[0]
    _, _, old_high, _, new_high = group[-1]
    lines = [line for opcode in group for line in _marked(opcode, old, new)]
    return Hunk(
        old_start=old_low + (old_high > old_low),
        old_count=old_high - old_low,
        new_start=new_low + (new_high > new_low),
        new_count=new_high - new_low,
        section=_section(old, old_low, python),
        lines=tuple(lines),
    )


def _marked(opcode: Opcode, old: Sequence[str], new: Sequence[str]) -> Iterable[str]:
    tag, old_low, old_high, new_low, new_high = opcode
    if tag == "equal":
        yield from _with_mark(" ", old[old_low:old_high])
        return
    yield from _with_mark("-", old[old_low:old_high])
    yield from _with_mark("+", new[new_low:new_high])


def _with_mark(mark: str, lines: Iterable[str]) -> Iterable[str]:
    for line in lines:
        yield mark + line.removesuffix("\n")
        if not line.endswith("\n"):
            yield NO_NEWLINE


def _section(old: Sequence[str], before: int, python: bool) -> str:
    pattern = _PYTHON_SECTION if python else _OTHER_SECTION
    for line in reversed(old[:before]):
        if pattern.match(line):
            return line.strip()[:_SECTION_WIDTH].rstrip()
    return ""


def _range(start: int, count: int) -> str:
    return str(start) if count == 1 else f"{start},{count}"


def _quoted(name: str) -> str:
    """A name as git writes it: in C quotes if it holds more than printable ASCII."""
    if _PLAIN_NAME.fullmatch(name):
        return name
    raw = name.encode("utf-8", "surrogateescape")
    return '"' + "".join(_escaped(byte) for byte in raw) + '"'


def _escaped(byte: int) -> str:
    char = chr(byte)
    if char in '"\\':
        return "\\" + char
    return char if 32 <= byte < 127 else f"\\{byte:03o}"


def _with_tab(name: str) -> str:
    # Without the tab, patch would end a name at its first space.
    return f"{name}\t" if " " in name and not name.startswith('"') else name


def _with_rules(hunks: Sequence[Hunk], pristine: bytes, edits: Sequence[Edit]) -> Iterable[Hunk]:
    """Each hunk with the rules of the edits nearest to it, and each edit in a nearest hunk.

    Mostly they touch. They are lines apart where a difference can be told in two ways.
    """
    touched = [_touched_lines(pristine, edit) for edit in edits]
    distances = [[_gap(lines, hunk) for lines in touched] for hunk in hunks]
    nearest_hunk = [min(column) for column in zip(*distances, strict=True)]
    for hunk, row in zip(hunks, distances, strict=True):
        near = [
            edit.rule
            for edit, distance, least in zip(edits, row, nearest_hunk, strict=True)
            if distance in (least, min(row))
        ]
        yield replace(hunk, rules=tuple(sorted(set(near))))


def _gap(lines: Span, hunk: Hunk) -> int:
    return min(_distance(lines, span) for span in _changed_spans(hunk))


def _distance(one: Span, other: Span) -> int:
    return max(one[0] - other[1], other[0] - one[1], 0)


def _changed_spans(hunk: Hunk) -> list[Span]:
    """Spans of old lines, counted from 0, that the hunk removes or inserts in front of."""
    line = hunk.old_start - (hunk.old_count > 0)
    spans: list[Span] = []
    for text in hunk.lines:
        if text[0] in "+-":
            spans.append((line, line))
        line += text[0] in " -"
    return spans


def _touched_lines(pristine: bytes, edit: Edit) -> Span:
    """First and last old line, counted from 0, that an edit really changes."""
    old = pristine[edit.start : edit.end]
    head = shared_prefix(old, edit.new)
    tail = shared_prefix(old[head:][::-1], edit.new[head:][::-1])
    first = pristine.count(b"\n", 0, edit.start + head)
    return first, first + pristine.count(b"\n", edit.start + head, max(edit.end - tail - 1, 0))
