"""The manifest of a ported tree: what was applied, as canonical JSON.

It holds everything that ``explain``, ``revert`` and the next ``apply`` need, so that
none of them has to fetch or to plan. Same plan, same pins: same bytes. There is no
time, user or machine path in it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from porter.errors import TreeStateError
from porter.model import Edit, NewFile, Plan, Skip

MANIFEST_DIR = ".porter"
MANIFEST_PATH = f"{MANIFEST_DIR}/manifest.json"
PRISTINE_DIR = f"{MANIFEST_DIR}/pristine"
FORMAT = 1

_T = TypeVar("_T")


@dataclass(frozen=True)
class PackageRecord:
    """One package of a ported tree.

    Attributes:
        folder: The project root, relative to the tree; ``.`` in ``site-packages``.
        origin: What vouches for the pristine bytes: ``archive`` or ``git`` for a pinned
            release, ``folder`` if they were taken as they were found.
        sha256: Digest of the pinned archive, if that is the origin.
        commit: The pinned commit, if git is the origin.
    """

    version: str
    folder: str
    origin: str
    sha256: str = ""
    commit: str = ""


@dataclass(frozen=True)
class EditRecord:
    """One edit of a file.

    Attributes:
        start: Byte offset in the pristine file; likewise ``end``, which is exclusive.
        new: The bytes put there.
        operation: Index of the rule's operation.
        first_line: Line of the ported file, counted from 1, where ``new`` begins; for
            a deletion, the line at which text is missing.
        last_line: Line of the ported file where ``new`` ends.
    """

    start: int
    end: int
    new: bytes
    rule: str
    operation: int
    first_line: int
    last_line: int


@dataclass(frozen=True)
class FileRecord:
    """One file that the port changed or added.

    Attributes:
        path: Relative to the package's project root.
        before: sha256 of the pristine bytes; empty if the port added the file.
        after: sha256 of the ported bytes.
        edits: In the order in which they stand in the file; none for an added file.
        content: All of an added file; empty otherwise.
        rule: The rule that added the file; empty otherwise.
    """

    package: str
    path: str
    before: str
    after: str
    edits: tuple[EditRecord, ...] = ()
    content: bytes = b""
    rule: str = ""

    @property
    def added(self) -> bool:
        """Whether the pristine tree has no such file."""
        return not self.before


@dataclass(frozen=True)
class Manifest:
    """What was applied to a tree.

    Attributes:
        target: The target's name.
        target_digest: sha256 of the target file.
        recipe: sha256 over all that decides what a plan is made of apart from target
            and tree: the rules, the selection, and porter's version.
        only: The rules asked for with ``--rule``; likewise ``without``.
        packages: By name.
        rules: Rule id -> digest, of the rules that edit something.
        files: Sorted by package and path.
        folders: Folders that the port made, relative to the tree, sorted.
    """

    target: str
    target_digest: str
    recipe: str
    only: tuple[str, ...]
    without: tuple[str, ...]
    packages: Mapping[str, PackageRecord]
    rules: Mapping[str, str]
    files: tuple[FileRecord, ...]
    folders: tuple[str, ...]
    skips: tuple[Skip, ...]

    @property
    def pins(self) -> dict[str, str]:
        """Package -> version."""
        return {name: record.version for name, record in self.packages.items()}

    @cached_property
    def by_location(self) -> dict[str, FileRecord]:
        """Path relative to the tree -> the file's record."""
        return {self.location(file.package, file.path): file for file in self.files}

    def location(self, package: str, path: str) -> str:
        """Where a package's file is, as a POSIX path relative to the tree."""
        folder = self.packages[package].folder
        return path if folder == "." else f"{folder}/{path}"

    def to_plan(self) -> Plan:
        """The plan that was applied."""
        return Plan(
            target=self.target,
            target_digest=self.target_digest,
            versions=self.pins,
            edits=tuple(_edits(self.files)),
            new_files=tuple(
                NewFile(file.package, file.path, file.content, file.rule)
                for file in self.files
                if file.added
            ),
            skips=self.skips,
            rule_digests=dict(self.rules),
        )

    def to_json(self) -> str:
        """Canonical JSON: sorted keys, two spaces, a line end at the end."""
        return json.dumps(_encoded(self), sort_keys=True, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str, *, name: str = MANIFEST_PATH) -> Manifest:
        """Read what ``to_json`` wrote.

        Args:
            name: What to call the manifest in an error.

        Raises:
            TreeStateError: The text is no manifest, or one of a later format.
        """
        try:
            return _decoded(json.loads(text), name)
        except (KeyError, TypeError, ValueError) as error:
            raise TreeStateError(f"{name} is damaged: {error}", hint=_DAMAGED_HINT) from error


_DAMAGED_HINT = "Put it back from a backup, or put the upstream packages back and port them again."


def read_manifest(into: Path) -> Manifest | None:
    """The manifest of a tree, or None if it is not ported.

    Raises:
        TreeStateError: There is one, but it cannot be read.
    """
    path = into / MANIFEST_PATH
    try:
        text = path.read_text("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise TreeStateError(f"{path} cannot be read: {error}", hint=_DAMAGED_HINT) from error
    return Manifest.from_json(text, name=str(path))


def digest(data: bytes) -> str:
    """sha256 in hex."""
    return hashlib.sha256(data).hexdigest()


def is_inside(path: str) -> bool:
    """Whether a recorded path stays in its folder: no file says where porter may write."""
    pure = PurePosixPath(path)
    return bool(path) and not pure.is_absolute() and ".." not in pure.parts and "\\" not in path


def _edits(files: Iterable[FileRecord]) -> Iterable[Edit]:
    for file in files:
        for edit in file.edits:
            yield Edit(
                file.package, file.path, edit.start, edit.end, edit.new, edit.rule, edit.operation
            )


def _encoded(manifest: Manifest) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "target": {"name": manifest.target, "digest": manifest.target_digest},
        "recipe": manifest.recipe,
        "only": list(manifest.only),
        "without": list(manifest.without),
        "packages": {name: vars(record) for name, record in manifest.packages.items()},
        "rules": dict(manifest.rules),
        "files": [_encoded_file(file) for file in manifest.files],
        "folders": list(manifest.folders),
        "skips": [vars(skip) for skip in manifest.skips],
    }


def _encoded_file(file: FileRecord) -> dict[str, Any]:
    shared = {"package": file.package, "path": file.path, "after": file.after}
    if file.added:
        return {**shared, "rule": file.rule, "content": _to_text(file.content)}
    return {**shared, "before": file.before, "edits": [_encoded_edit(edit) for edit in file.edits]}


def _encoded_edit(edit: EditRecord) -> dict[str, Any]:
    return {
        "span": [edit.start, edit.end],
        "new": _to_text(edit.new),
        "rule": edit.rule,
        "operation": edit.operation,
        "lines": [edit.first_line, edit.last_line],
    }


def _to_text(data: bytes) -> str:
    # Upstream has files in other encodings; surrogates bring their bytes through JSON.
    return data.decode("utf-8", "surrogateescape")


def _to_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _decoded(raw: object, name: str) -> Manifest:
    found = _get(raw, "format", int)
    if found != FORMAT:
        raise TreeStateError(
            f"{name} has format {found}, and this porter knows format {FORMAT}",
            hint="Use the porter that ported the folder, or a later one.",
        )
    target = _get(raw, "target", dict)
    packages = _get(raw, "packages", dict)
    return Manifest(
        target=_get(target, "name", str),
        target_digest=_get(target, "digest", str),
        recipe=_get(raw, "recipe", str),
        only=_texts(_get(raw, "only", list)),
        without=_texts(_get(raw, "without", list)),
        packages={key: _decoded_package(value) for key, value in packages.items()},
        rules={key: str(value) for key, value in _get(raw, "rules", dict).items()},
        files=tuple(_decoded_file(file, packages) for file in _get(raw, "files", list)),
        folders=tuple(_inside(path) for path in _texts(_get(raw, "folders", list))),
        skips=tuple(_decoded_skip(skip) for skip in _get(raw, "skips", list)),
    )


def _decoded_package(raw: object) -> PackageRecord:
    names = ("version", "folder", "origin", "sha256", "commit")
    record = PackageRecord(**{name: _get(raw, name, str) for name in names})
    return replace(record, folder=_inside(record.folder))


def _decoded_file(raw: object, packages: Container[str]) -> FileRecord:
    shared = FileRecord(
        package=_get(raw, "package", str),
        path=_inside(_get(raw, "path", str)),
        before="",
        after=_get(raw, "after", str),
    )
    if shared.package not in packages:
        raise ValueError(f"{shared.path} is of a package that is not listed")
    if isinstance(raw, dict) and "content" in raw:
        content = _to_bytes(_get(raw, "content", str))
        return replace(shared, content=content, rule=_get(raw, "rule", str))
    edits = tuple(_decoded_edit(edit) for edit in _get(raw, "edits", list))
    return replace(shared, before=_get(raw, "before", str), edits=edits)


def _decoded_edit(raw: object) -> EditRecord:
    start, end = _numbers(_get(raw, "span", list))
    first_line, last_line = _numbers(_get(raw, "lines", list))
    return EditRecord(
        start=start,
        end=end,
        new=_to_bytes(_get(raw, "new", str)),
        rule=_get(raw, "rule", str),
        operation=_get(raw, "operation", int),
        first_line=first_line,
        last_line=last_line,
    )


def _decoded_skip(raw: object) -> Skip:
    return Skip(*(_get(raw, name, str) for name in ("rule", "package", "reason")))


def _get(raw: object, key: str, kind: type[_T]) -> _T:
    value = raw[key] if isinstance(raw, dict) else None
    if not isinstance(value, kind):
        raise ValueError(f"{key} is not {kind.__name__}")
    return value


def _texts(values: Sequence[object]) -> tuple[str, ...]:
    if not all(isinstance(value, str) for value in values):
        raise ValueError("a list has an entry that is not text")
    return tuple(str(value) for value in values)


def _numbers(values: Sequence[object]) -> tuple[int, int]:
    one, two = values
    if not (isinstance(one, int) and isinstance(two, int)):
        raise ValueError("a pair has an entry that is not a number")
    return one, two


def _inside(path: str) -> str:
    if not is_inside(path):
        raise ValueError(f"the path {path!r} leaves the folder")
    return path
