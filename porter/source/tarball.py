"""Reading an archive's members in memory, trusting nothing that it says.

Nothing is unpacked to disk here. An archive that could write outside its folder,
hide one file behind another or fill the memory is refused as a whole.
"""

from __future__ import annotations

import re
import tarfile
import zlib
from collections.abc import Set
from dataclasses import dataclass
from io import BytesIO
from typing import NamedTuple

from porter.errors import SourceError

MAX_BYTES = 512 * 2**20
"""Most bytes an archive may unpack to; mmdet's take 10 MB."""

MAX_MEMBERS = 100_000
"""Most members an archive may have; mmdet's have 1,800."""

_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_FORMAT = 16 + zlib.MAX_WBITS
_BLOCK = 512
_DRIVE = re.compile("[A-Za-z]:")

# What tarfile raises on hostile headers; RecursionError for a long chain of long-name headers.
_UNREADABLE = (tarfile.TarError, ValueError, ArithmeticError, LookupError, RecursionError, EOFError)


class Member(NamedTuple):
    """Where a regular file's bytes are in the unpacked archive.

    Attributes:
        mode: Permission bits, made safe: no setuid, nobody but the owner writes.
    """

    start: int
    size: int
    mode: int


@dataclass(frozen=True)
class Contents:
    """An archive in memory: its bytes, and where in them each file is.

    The paths are relative to the archive's one top-level folder.
    """

    data: bytes
    members: dict[str, Member]


def read_tarball(archive: bytes, what: str) -> Contents:
    """Open a ``.tar.gz`` (or a plain ``.tar``).

    Args:
        what: What the archive is, for messages.

    Raises:
        SourceError: If it is damaged, hostile or too large.
    """
    data = _unzipped(archive, what) if archive.startswith(_GZIP_MAGIC) else archive
    try:
        with tarfile.open(fileobj=BytesIO(data), mode="r:") as tar:
            members = _regular_files(tar, len(data), what)
            ended = data[tar.offset : tar.offset + _BLOCK] == bytes(_BLOCK)
    except _UNREADABLE as problem:
        raise _refused(what, f"it cannot be read: {problem}") from problem
    if not ended:
        raise _refused(what, "it is cut short or damaged")
    return Contents(data, members)


def _unzipped(archive: bytes, what: str) -> bytes:
    decoder = zlib.decompressobj(_GZIP_FORMAT)
    try:
        data = decoder.decompress(archive, MAX_BYTES + 1)
    except zlib.error as problem:
        raise _refused(what, f"it cannot be read: {problem}") from problem
    if len(data) > MAX_BYTES:
        raise _refused(what, f"it unpacks to more than {MAX_BYTES >> 20} MiB")
    if not decoder.eof or decoder.unused_data.strip(b"\0"):
        raise _refused(what, "it is cut short or damaged")
    return data


def _regular_files(tar: tarfile.TarFile, limit: int, what: str) -> dict[str, Member]:
    members: dict[str, Member] = {}
    taken: set[str] = set()
    tops: set[str] = set()
    for number, info in enumerate(tar):
        if number >= MAX_MEMBERS:
            raise _refused(what, f"it has more than {MAX_MEMBERS:,} members")
        parts = _checked_parts(info.name, what)
        if info.size < 0 or info.offset_data + info.size > limit:
            raise _refused(what, f"`{info.name}` is cut short")
        tops.update(parts[:1])
        if not info.isdir():
            path = _free_path(info, parts, taken, what)
            if _is_file(info, parts, what):
                members[path] = Member(info.offset_data, info.size, info.mode & 0o755 | 0o600)
    if len(tops) != 1:
        raise _refused(what, f"it has {len(tops)} top-level folders instead of one")
    _check_folders(taken, what)
    return members


def _free_path(info: tarfile.TarInfo, parts: list[str], taken: set[str], what: str) -> str:
    """The member's path in the top-level folder, which no member before has."""
    path = "/".join(parts[1:])
    if not path:
        raise _refused(what, f"`{info.name}` is outside the top-level folder")
    if path in taken:
        raise _refused(what, f"`{info.name}` is in it twice")
    taken.add(path)
    return path


def _is_file(info: tarfile.TarInfo, parts: list[str], what: str) -> bool:
    """Whether a member is a regular file; False for a link that stays in the folder."""
    if info.issym() or info.islnk():
        _check_link(info, parts, what)
        return False
    if not info.isreg() or info.issparse():
        raise _refused(what, f"`{info.name}` is neither a file nor a folder")
    return True


def _checked_parts(name: str, what: str) -> list[str]:
    """The folders and the name of a member, none of which leads out."""
    if not name.isprintable() or "\\" in name:
        raise _refused(what, f"the member name {name!r} has characters that no source file has")
    if name.startswith("/") or _DRIVE.match(name):
        raise _refused(what, f"`{name}` is an absolute path")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise _refused(what, f"`{name}` leads out of the folder")
    return parts


def _check_link(info: tarfile.TarInfo, parts: list[str], what: str) -> None:
    """Refuse a link that leaves the top-level folder.

    A symbolic link is relative to its own folder, a hard link to the archive's root.
    """
    where = parts[:-1] if info.issym() else []
    leaves = info.linkname.startswith("/")
    for step in info.linkname.split("/"):
        if step == "..":
            leaves = leaves or len(where) <= 1
            where = where[:-1]
        elif step not in ("", "."):
            where = [*where, step]
    if leaves or where[:1] != parts[:1]:
        raise _refused(what, f"`{info.name}` is a link that leaves the folder: {info.linkname!r}")


def _check_folders(paths: Set[str], what: str) -> None:
    """Refuse a path that is a file and also the folder of another file."""
    folders = {path.rpartition("/")[0] for path in paths}
    while folders:
        for clash in folders & paths:
            raise _refused(what, f"`{clash}` is in it both as a file and as a folder")
        folders = {folder.rpartition("/")[0] for folder in folders} - {""}


def _refused(what: str, reason: str) -> SourceError:
    return SourceError(f"{what} is refused: {reason}")
