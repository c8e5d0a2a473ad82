from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from porter.errors import WriteError
from porter.source import Cache, fetch, known_pin

from .helpers import RELEASE, Server, pin_of

PIN = known_pin("mmcv", "2.1.0")


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that every user of the machine may read; only the tests' own user may write."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Nobody may write in the folder meanwhile, not even if root runs the tests."""
    mode, is_root = folder.stat().st_mode, os.geteuid() == 0
    folder.chmod(0o555)
    if is_root:
        os.seteuid(65_534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
        folder.chmod(mode)


def test_the_folder_can_be_chosen_by_a_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PORTER_CACHE", str(tmp_path))
    assert Cache().root == tmp_path


def test_without_the_variable_it_is_among_the_caches_of_the_platform(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PORTER_CACHE", " ")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    root = Cache().root
    assert root.is_relative_to(tmp_path)
    assert root.name == "porter"


def test_every_pin_has_a_place_of_its_own(cache: Cache) -> None:
    other = known_pin("mmcv", "2.2.0")
    places = {cache.archive_path(PIN), cache.archive_path(other), cache.repository_path(PIN)}
    assert len(places) == 3
    assert all(place.is_relative_to(cache.root) for place in places)


def test_a_lock_keeps_others_out_until_it_is_given_back(cache: Cache) -> None:
    other = FileLock(cache.root / "locks" / "entry.lock")
    with cache.lock("entry"), pytest.raises(Timeout):
        other.acquire(timeout=0)
    with other.acquire(timeout=0):
        assert other.is_locked


def test_locks_of_two_entries_do_not_meet(cache: Cache) -> None:
    with cache.lock("one"), cache.lock("other"):
        assert len(list((cache.root / "locks").iterdir())) == 2


def test_a_read_only_cache_folder_is_an_error_that_names_it(
    shared: Path, cache: Cache, server: Server, archive: bytes
) -> None:
    pin = server.offer(archive)
    fetch([pin], cache)  # loads what root alone may load
    server.log.clear()
    with (
        read_only(shared),
        pytest.raises(WriteError, match="cannot be written: Permission denied") as caught,
    ):
        fetch([pin], Cache(shared / "cache"))
    assert str(shared) in caught.value.message
    assert "PORTER_CACHE" in caught.value.hint
    assert server.log == []


def test_a_cache_folder_that_is_a_file_is_an_error_that_names_it(
    tmp_path: Path, server: Server, archive: bytes
) -> None:
    pin = server.offer(archive)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WriteError, match=f"the cache folder {tmp_path}/file/cache cannot"):
        fetch([pin], Cache(tmp_path / "file" / "cache"))


@pytest.mark.parametrize("offline", [True, False], ids=["offline", "online"])
def test_a_read_only_cache_that_has_the_archive_is_enough(
    shared: Path, archive: bytes, offline: bool
) -> None:
    pin = pin_of(archive)
    path = Cache(shared).archive_path(pin)
    path.parent.mkdir()
    path.write_bytes(archive)
    path.parent.chmod(0o555)
    with read_only(shared):
        (tree,) = fetch([pin], Cache(shared), offline=offline)
        assert tree.read("mmcv/version.py") == RELEASE["mmcv/version.py"]


def test_a_full_disk_is_an_error_that_names_the_folder(cache: Cache) -> None:
    with pytest.raises(WriteError, match="No space left"), cache.writing():
        raise OSError(28, os.strerror(28))
