from __future__ import annotations

import gzip
import tarfile
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from porter.errors import SourceError
from porter.source import tarball
from porter.source.tarball import read_tarball

from .helpers import RELEASE, make_archive, make_tar, member

FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}
FINE = (member("mmcv-2.1.0/mmcv/__init__.py"), b"")


def contents_of(archive: bytes) -> dict[str, bytes]:
    contents = read_tarball(archive, "the archive")
    return {
        path: contents.data[found.start : found.start + found.size]
        for path, found in contents.members.items()
    }


def test_the_files_are_those_that_were_packed_without_the_top_folder() -> None:
    assert contents_of(make_archive(RELEASE)) == RELEASE


@pytest.mark.parametrize(
    ("packed", "read"),
    [
        pytest.param(0o644, 0o644, id="a plain file"),
        pytest.param(0o755, 0o755, id="a script"),
        pytest.param(0o666, 0o644, id="others may write: taken away"),
        pytest.param(0o4755, 0o755, id="setuid: taken away"),
        pytest.param(0o000, 0o600, id="nobody may read: the owner may"),
    ],
)
def test_modes_are_kept_as_far_as_they_are_safe(packed: int, read: int) -> None:
    archive = make_tar((member("top/file", mode=packed), b"text"))
    assert read_tarball(archive, "the archive").members["file"].mode == read


@pytest.mark.parametrize(
    ("info", "reason"),
    [
        pytest.param(member("/etc/passwd"), "absolute path", id="an absolute path"),
        pytest.param(member("C:/windows"), "absolute path", id="a path with a drive"),
        pytest.param(member("mmcv-2.1.0/../x"), "leads out", id="a path with two dots"),
        pytest.param(member("../x"), "leads out", id="a path that starts with two dots"),
        pytest.param(member("mmcv-2.1.0/..\\x"), "characters", id="a path with a backslash"),
        pytest.param(member("mmcv-2.1.0/a\nb"), "characters", id="a path with a line break"),
        pytest.param(member("mmcv-2.1.0/\udc80"), "characters", id="a path that is no UTF-8"),
        pytest.param(member("other/x"), "2 top-level folders", id="a second top-level folder"),
        pytest.param(member("x"), "outside the top-level", id="a file beside the folder"),
        pytest.param(member("mmcv-2.1.0/mmcv/__init__.py"), "twice", id="a file twice"),
        pytest.param(member("mmcv-2.1.0/./mmcv//__init__.py"), "twice", id="twice, in disguise"),
        pytest.param(
            member("mmcv-2.1.0/mmcv/__init__.py", type=tarfile.SYMTYPE, linkname="x"),
            "twice",
            id="a file that is also a link",
        ),
        pytest.param(member("mmcv-2.1.0/mmcv"), "a folder", id="a file that is also a folder"),
        pytest.param(
            member("mmcv-2.1.0/a", type=tarfile.SYMTYPE, linkname="/etc"),
            "leaves the folder",
            id="a symbolic link to an absolute path",
        ),
        pytest.param(
            member("mmcv-2.1.0/a/b", type=tarfile.SYMTYPE, linkname="../../x"),
            "leaves the folder",
            id="a symbolic link to above the top-level folder",
        ),
        pytest.param(
            member("mmcv-2.1.0/a", type=tarfile.LNKTYPE, linkname="mmcv-2.1.0/../../x"),
            "leaves the folder",
            id="a hard link to above the top-level folder",
        ),
        pytest.param(
            member("mmcv-2.1.0/a", type=tarfile.LNKTYPE, linkname="other/x"),
            "leaves the folder",
            id="a hard link to another top-level folder",
        ),
        pytest.param(member("mmcv-2.1.0/a", type=tarfile.CHRTYPE), "neither", id="a device"),
        pytest.param(member("mmcv-2.1.0/a", type=tarfile.BLKTYPE), "neither", id="a disk"),
        pytest.param(member("mmcv-2.1.0/a", type=tarfile.FIFOTYPE), "neither", id="a pipe"),
        pytest.param(member("mmcv-2.1.0/a", type=b"Z"), "neither", id="a type nobody knows"),
    ],
)
@pytest.mark.parametrize("format", [pytest.param(FORMATS[name], id=name) for name in FORMATS])
def test_a_hostile_member_refuses_the_archive(
    info: tarfile.TarInfo, reason: str, format: int
) -> None:
    with pytest.raises(SourceError, match=f"the archive is refused: .*{reason}"):
        read_tarball(make_tar(FINE, (info, b""), format=format), "the archive")


@pytest.mark.parametrize(
    "info",
    [
        pytest.param(
            member("mmcv-2.1.0/mmcv/.mim/tools", type=tarfile.SYMTYPE, linkname="../../tools"),
            id="a symbolic link within the folder",
        ),
        pytest.param(
            member("mmcv-2.1.0/copy", type=tarfile.LNKTYPE, linkname=FINE[0].name),
            id="a hard link within the folder",
        ),
        pytest.param(member("mmcv-2.1.0/empty", type=tarfile.DIRTYPE), id="a folder"),
        pytest.param(member("./mmcv-2.1.0/", type=tarfile.DIRTYPE), id="the top-level folder"),
    ],
)
def test_what_stays_inside_is_left_out_and_the_rest_read(info: tarfile.TarInfo) -> None:
    assert contents_of(make_tar(FINE, (info, b""))) == {"mmcv/__init__.py": b""}


def test_an_archive_that_unpacks_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = gzip.compress(bytes(2**20))
    monkeypatch.setattr(tarball, "MAX_BYTES", 2**20 - 1)
    with pytest.raises(SourceError, match="unpacks to more than"):
        read_tarball(bomb, "the archive")


def test_an_archive_with_too_many_members_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tarball, "MAX_MEMBERS", len(RELEASE) - 1)
    with pytest.raises(SourceError, match="more than 4 members"):
        read_tarball(make_archive(RELEASE), "the archive")


@pytest.mark.parametrize(
    "archive",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"<html>Not found</html>", id="a web page"),
        pytest.param(gzip.compress(b"text"), id="compressed, but no tar"),
        pytest.param(gzip.compress(bytes(10_240)), id="a tar without members"),
        pytest.param(make_archive(RELEASE) + b"more", id="bytes after the end"),
        pytest.param(make_tar(FINE)[:512], id="no end mark"),
        pytest.param(make_tar(FINE)[:512] + b"\1" * 512, id="garbage for the second member"),
        pytest.param(make_tar((member("a/b"), bytes(9_000)))[:4_096], id="a file cut short"),
    ],
)
def test_what_is_no_whole_archive_is_refused(archive: bytes) -> None:
    with pytest.raises(SourceError, match="the archive is refused"):
        read_tarball(archive, "the archive")


def test_padding_after_the_compressed_data_is_no_matter() -> None:
    assert contents_of(make_archive(RELEASE) + bytes(512)) == RELEASE


@pytest.mark.parametrize("format", [pytest.param(FORMATS[name], id=name) for name in FORMATS])
def test_names_longer_than_a_header_are_read(format: int) -> None:
    name = "/".join(["mmcv-2.1.0", *(["folder" * 5] * 6), "file.py"])
    archive = make_tar((member(name), b"text"), format=format)
    assert contents_of(archive) == {name.partition("/")[2]: b"text"}


letters = st.sampled_from("abz09_-.读写é")
folders = st.lists(st.builds(str.__add__, st.just("d"), st.text(letters, max_size=20)), max_size=5)
names = st.builds(str.__add__, st.just("f"), st.text(letters, max_size=30))
paths = st.builds(lambda parts, name: "/".join([*parts, name]), folders, names)
trees = st.dictionaries(paths, st.binary(max_size=1_500), min_size=1, max_size=8)


def packed(files: Mapping[str, bytes], *more: tuple[tarfile.TarInfo, bytes], format: int) -> bytes:
    benign = [(member(f"top/{path}"), content) for path, content in files.items()]
    return make_tar(*benign, *more, format=format)


@given(trees, st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]), st.booleans())
def test_whatever_is_packed_is_read_back(
    files: dict[str, bytes], format: int, compress: bool
) -> None:
    archive = packed(files, format=format)
    assert contents_of(gzip.compress(archive, 1) if compress else archive) == files


climbs = st.builds(
    lambda before, after: "/".join([*before, "..", *after]),
    st.lists(names, max_size=2),
    st.lists(names, min_size=1, max_size=3),
)
escapes = st.one_of(climbs, st.builds("/{}".format, paths), st.builds("top/{}".format, climbs))


@given(trees, escapes, st.sampled_from([tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE]))
def test_one_path_that_leads_out_refuses_the_whole(
    files: dict[str, bytes], escape: str, kind: bytes
) -> None:
    hostile = (member(escape, type=kind, linkname="x"), b"")
    with pytest.raises(SourceError):
        contents_of(packed(files, hostile, format=tarfile.PAX_FORMAT))


@given(trees, st.integers(0, 6), st.lists(names, min_size=1, max_size=3))
def test_a_link_is_refused_exactly_if_it_climbs_above_the_top(
    files: dict[str, bytes], ups: int, rest: list[str]
) -> None:
    target = "/".join([".."] * ups + rest)
    link = (member("top/a/b/c/link", type=tarfile.SYMTYPE, linkname=target), b"")
    archive = packed(files, link, format=tarfile.PAX_FORMAT)
    if ups > 3:
        with pytest.raises(SourceError, match="leaves the folder"):
            contents_of(archive)
    else:
        assert contents_of(archive) == files


@settings(max_examples=300)
@given(
    trees,
    st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=12),
)
def test_a_damaged_archive_is_read_safely_or_refused(
    files: dict[str, bytes], format: int, damage: list[tuple[int, int]]
) -> None:
    archive = bytearray(packed(files, format=format))
    for place, value in damage:
        archive[place % len(archive)] = value
    try:
        contents = read_tarball(bytes(archive), "the archive")
    except SourceError:
        return
    for path, found in contents.members.items():
        assert path.isprintable()
        assert ".." not in path.split("/")
        assert not path.startswith("/")
        assert 0 <= found.start <= found.start + found.size <= len(archive)


def resealed(header: bytearray) -> bytes:
    """A header with its checksum made right, so that the field before it is what counts."""
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


@settings(max_examples=300)
@given(
    st.sampled_from([(100, 8), (124, 12), (156, 1), (157, 100), (257, 8), (345, 155)]),
    st.binary(min_size=1, max_size=155),
    st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
)
def test_a_forged_header_is_read_safely_or_refused(
    forged: tuple[int, int], value: bytes, format: int
) -> None:
    start, length = forged
    archive = packed({"a/b": b"text", "c": b"more"}, format=format)
    header = bytearray(archive[:512])
    header[start : start + length] = value[:length].ljust(length, b"\0")
    try:
        contents = read_tarball(resealed(header) + archive[512:], "the archive")
    except SourceError:
        return
    assert all(0 <= found.start + found.size <= len(archive) for found in contents.members.values())


@given(st.integers(0, 10**6))
def test_an_archive_cut_anywhere_is_refused(place: int) -> None:
    archive = make_archive({"setup.py": b"text"})
    with pytest.raises(SourceError):
        contents_of(archive[: place % len(archive)])
