"""Fetching archives over a network that is good, bad, or not there."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from porter.errors import SourceError, UnsupportedVersion, UsageError
from porter.model import Pin
from porter.source import Cache, download, fetch
from porter.source.download import ATTEMPTS

from .helpers import RELEASE, Server, make_archive, pin_of, release

WRONG = make_archive(RELEASE | {"mmcv/version.py": b"__version__ = '6.6.6'\n"}, level=0)

FETCH = """
import sys
from pathlib import Path
from porter.model import Pin
from porter.source import Cache, fetch
root, sha256 = sys.argv[1:]
(tree,) = fetch([Pin("mmcv", "2.1.0", sha256=sha256)], Cache(Path(root)))
print(len(tree.read("mmcv/ops/roi_align.py")))
"""


def part_of(cache: Cache, pin: Pin) -> Path:
    path = cache.archive_path(pin)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(f"{path.name}.part")


def another_porter(cache: Cache, pin: Pin) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", FETCH, str(cache.root), pin.sha256],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline, "nothing happened for 20 seconds"
        time.sleep(0.01)


def check_release(cache: Cache, pin: Pin, archive: bytes) -> None:
    """The archive is in the cache, and nothing unfinished beside it."""
    assert cache.archive_path(pin).read_bytes() == archive
    assert [path.name for path in cache.archive_path(pin).parent.iterdir()] == ["mmcv-2.1.0.tar.gz"]


def test_an_archive_is_fetched_once_and_then_read_from_the_cache(
    cache: Cache, server: Server, archive: bytes
) -> None:
    pin = server.offer(archive)
    for _ in range(2):
        (tree,) = fetch([pin], cache)
        assert {path: tree.read(path) for path in tree.paths()} == RELEASE
    assert server.ranges == [""]
    check_release(cache, pin, archive)


def test_several_pins_come_in_their_order(cache: Cache, server: Server, archive: bytes) -> None:
    other = make_archive(release("mmdet", "3.3.0"), top="mmdet-3.3.0")
    pins = [server.offer(other, "mmdet", "3.3.0"), server.offer(archive)]
    assert [tree.package for tree in fetch(pins, cache)] == ["mmdet", "mmcv"]


def test_progress_says_what_how_much_and_of_how_much(
    cache: Cache, server: Server, archive: bytes
) -> None:
    steps: list[tuple[str, int, int]] = []
    fetch([server.offer(archive)], cache, progress=lambda *step: steps.append(step))
    assert {(what, total) for what, _, total in steps} == {("mmcv 2.1.0", len(archive))}
    done = [step[1] for step in steps]
    assert len(done) > 2
    assert done == sorted(done)
    assert done[-1] == len(archive)


@pytest.mark.parametrize(
    ("resumes", "asked"),
    [
        pytest.param(True, ["", "bytes=100000-", "bytes=250000-"], id="the server resumes"),
        pytest.param(False, ["", "bytes=100000-", "bytes=150000-"], id="it starts again"),
    ],
)
def test_a_connection_that_breaks_off_is_taken_up_again(
    cache: Cache, server: Server, archive: bytes, resumes: bool, asked: list[str]
) -> None:
    pin = server.offer(archive)
    server.resumes, server.cuts = resumes, [100_000, 150_000]
    fetch([pin], cache)
    assert server.ranges == asked
    check_release(cache, pin, archive)


def test_a_connection_that_always_breaks_is_given_up_and_later_resumed(
    cache: Cache, server: Server, archive: bytes
) -> None:
    pin = server.offer(archive)
    server.cuts = [1_000] * ATTEMPTS
    with pytest.raises(SourceError, match="broke off 4 times") as caught:
        fetch([pin], cache)
    assert "Run the command again" in caught.value.hint
    assert part_of(cache, pin).stat().st_size == 1_000 * ATTEMPTS
    fetch([pin], cache)
    assert server.ranges[-1] == "bytes=4000-"
    check_release(cache, pin, archive)


def test_what_an_earlier_run_left_is_not_fetched_again(
    cache: Cache, server: Server, archive: bytes
) -> None:
    pin = server.offer(archive)
    part_of(cache, pin).write_bytes(archive[:300_000])
    fetch([pin], cache)
    assert server.ranges == ["bytes=300000-"]
    check_release(cache, pin, archive)


@pytest.mark.parametrize(
    "left",
    [
        pytest.param(lambda archive: b"rubbish", id="other bytes"),
        pytest.param(lambda archive: archive, id="the whole archive, not yet renamed"),
        pytest.param(lambda archive: archive + b"more", id="more than the archive"),
    ],
)
def test_what_an_earlier_run_left_is_dropped_if_it_does_not_fit(
    cache: Cache, server: Server, archive: bytes, left: Callable[[bytes], bytes]
) -> None:
    pin = server.offer(archive)
    part_of(cache, pin).write_bytes(left(archive))
    fetch([pin], cache)
    assert server.ranges == [f"bytes={len(left(archive))}-", ""]
    check_release(cache, pin, archive)


def test_an_answer_that_starts_elsewhere_is_not_joined(
    cache: Cache, server: Server, archive: bytes
) -> None:
    pin = server.offer(archive)
    part_of(cache, pin).write_bytes(archive[:300_000])
    server.shift = 10
    fetch([pin], cache)
    assert server.ranges == ["bytes=300000-", ""]
    check_release(cache, pin, archive)


def test_a_killed_porter_leaves_what_the_next_one_goes_on_from(
    cache: Cache, server: Server, archive: bytes
) -> None:
    pin = server.offer(archive)
    server.hold = threading.Event()
    with another_porter(cache, pin) as other:
        # Its last block may be in its memory still, so wait for the first.
        part = part_of(cache, pin)
        wait_until(lambda: part.exists() and part.stat().st_size > 0)
        os.kill(other.pid, signal.SIGKILL)
    server.hold.set()
    server.hold = None
    fetch([pin], cache)
    first, second = server.ranges
    assert first == ""
    assert re.fullmatch(r"bytes=[1-9]\d+-", second)
    check_release(cache, pin, archive)


def test_two_porters_at_once_fetch_an_archive_once(
    cache: Cache, server: Server, archive: bytes
) -> None:
    pin = server.offer(archive)
    server.hold = threading.Event()
    with another_porter(cache, pin) as one, another_porter(cache, pin) as other:
        wait_until(lambda: bool(server.log))
        time.sleep(0.3)
        server.hold.set()
        printed = [porter.communicate(timeout=60)[0].strip() for porter in (one, other)]
    assert printed == ["400000", "400000"]
    assert server.ranges == [""]
    check_release(cache, pin, archive)


def test_wrong_bytes_are_deleted_and_both_digests_named(
    cache: Cache, server: Server, archive: bytes
) -> None:
    pin = server.offer(archive)
    server.offer(WRONG)
    with pytest.raises(SourceError) as caught:
        fetch([pin], cache)
    message = caught.value.message
    assert message.startswith(f"mmcv 2.1.0: the archive that came from {server.url}/files/mmcv-2.1")
    assert f"expected sha256 {pin.sha256}" in message
    assert f"found    sha256 {pin_of(WRONG).sha256}" in message
    assert list(cache.archive_path(pin).parent.iterdir()) == []


def test_a_download_without_end_is_refused(
    cache: Cache, server: Server, archive: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "MAX_BYTES", len(archive) - 1)
    with pytest.raises(SourceError, match="is larger than"):
        fetch([server.offer(archive)], cache)


def test_a_damaged_file_in_the_cache_is_fetched_again(
    cache: Cache, server: Server, archive: bytes
) -> None:
    pin = server.offer(archive)
    fetch([pin], cache)
    cache.archive_path(pin).write_bytes(archive[:-1] + b"x")
    (tree,) = fetch([pin], cache)
    assert tree.read("mmcv/version.py") == RELEASE["mmcv/version.py"]
    assert server.ranges == ["", ""]
    check_release(cache, pin, archive)


def test_offline_names_everything_that_is_missing_and_the_command(
    cache: Cache, server: Server, archive: bytes
) -> None:
    pins = [server.offer(archive), Pin("mmdet", "3.3.0", "1" * 64), Pin("mmengine", "0.10.5", "2")]
    fetch(pins[:1], cache)
    with pytest.raises(SourceError) as caught:
        fetch(pins, cache, offline=True)
    assert caught.value.message.endswith(f"{cache.root}: mmdet 3.3.0, mmengine 0.10.5")
    assert "`porter fetch`" in caught.value.hint
    assert len(server.log) == 1


def test_offline_reads_the_cache_and_asks_nobody(
    cache: Cache, server: Server, archive: bytes
) -> None:
    pin = server.offer(archive)
    fetch([pin], cache)
    server.log.clear()
    (tree,) = fetch([pin], cache, offline=True)
    assert list(tree.paths()) == sorted(RELEASE)
    assert server.log == []


def test_offline_a_damaged_file_in_the_cache_is_an_error_that_names_it(
    cache: Cache, archive: bytes
) -> None:
    pin = pin_of(archive)
    part_of(cache, pin)
    cache.archive_path(pin).write_bytes(b"damaged")
    with pytest.raises(SourceError, match=r"is cached as .* is not the pinned one") as caught:
        fetch([pin], cache, offline=True)
    assert str(cache.archive_path(pin)) in caught.value.message


def test_no_network_and_no_cache_is_an_error_that_says_so(
    cache: Cache, monkeypatch: pytest.MonkeyPatch, archive: bytes
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://somebody:secret@127.0.0.1:9/simple")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(SourceError, match=r"cannot be reached: .*Connection refused") as caught:
        fetch([pin_of(archive)], cache)
    assert caught.value.message.startswith("mmcv 2.1.0: the package index http://127.0.0.1:9/")
    assert "secret" not in caught.value.message
    assert "PIP_INDEX_URL" in caught.value.hint


@pytest.mark.parametrize(
    ("status", "message"),
    [
        pytest.param(404, "does not have the project mmcv", id="not there"),
        pytest.param(403, "the server answers 403 Forbidden", id="forbidden"),
        pytest.param(503, "too many 503 error responses", id="overloaded"),
    ],
)
def test_an_index_that_refuses_is_an_error_that_says_how(
    cache: Cache, server: Server, archive: bytes, status: int, message: str
) -> None:
    pin = server.offer(archive)
    server.status = status
    with pytest.raises(SourceError, match=re.escape(message)):
        fetch([pin], cache)


def test_an_index_without_the_version_is_an_error_that_names_it(
    cache: Cache, server: Server, archive: bytes
) -> None:
    server.offer(archive)
    with pytest.raises(SourceError, match=r"does not have the source archive of mmcv 2\.2\.0"):
        fetch([Pin("mmcv", "2.2.0", sha256="1" * 64)], cache)


def test_an_index_in_a_way_porter_cannot_talk_is_an_error(
    cache: Cache, monkeypatch: pytest.MonkeyPatch, archive: bytes, tmp_path: Path
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", f"file://{tmp_path}")
    with pytest.raises(SourceError, match="No connection adapters"):
        fetch([pin_of(archive)], cache)


def test_a_pin_without_a_digest_cannot_come_from_an_archive(cache: Cache) -> None:
    with pytest.raises(UnsupportedVersion, match=r"apex 0\.1 has no pinned archive") as caught:
        fetch([Pin("apex", "0.1")], cache)
    assert "--from PATH" in caught.value.hint


def test_a_mirror_is_for_git_only(cache: Cache, archive: bytes) -> None:
    with pytest.raises(UsageError, match="--mirror file:///x: only for git"):
        fetch([pin_of(archive)], cache, mirror="file:///x")
