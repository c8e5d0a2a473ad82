from __future__ import annotations

import logging
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from git import Repo

from porter.errors import SourceError, UnsupportedVersion, UsageError
from porter.model import Pin
from porter.source import Cache, Tree, fetch

from .helpers import Server, commit_all, make_archive, release, write_files

FILES = release("mmdet", "3.3.0") | {"tools/train.py": b"print('train')\n"}
ARCHIVE_FILES = release("mmdet", "3.3.0") | {"mmdet/.mim/tools/train.py": b"print('train')\n"}
ARCHIVE = make_archive(ARCHIVE_FILES, top="mmdet-3.3.0")


class Upstream:
    """A git server's folder with mmdet's repository, of two commits."""

    def __init__(self, root: Path) -> None:
        self.url = f"file://{root}"
        self.folder = write_files(root / "open-mmlab" / "mmdetection", {"README.md": b"first\n"})
        commit_all(self.folder)
        write_files(self.folder, FILES)
        (self.folder / "tools" / "train.py").chmod(0o755)
        self.pin = Pin("mmdet", "3.3.0", tag="v3.3.0", commit=commit_all(self.folder, "v3.3.0"))

    def move_tag(self, files: dict[str, bytes]) -> str:
        """Move the tag to a commit with other files; returns its id."""
        return commit_all(write_files(self.folder, files), "v3.3.0")


@pytest.fixture
def upstream(tmp_path: Path) -> Upstream:
    return Upstream(tmp_path / "upstream")


def fetch_one(pin: Pin, cache: Cache, mirror: str = "", *, offline: bool = False) -> Tree:
    (tree,) = fetch([pin], cache, origin="git", mirror=mirror, offline=offline)
    return tree


def test_the_tagged_commit_is_fetched_from_the_mirror(cache: Cache, upstream: Upstream) -> None:
    tree = fetch_one(upstream.pin, cache, upstream.url)
    assert {path: tree.read(path) for path in tree.paths()} == FILES | {"README.md": b"first\n"}
    assert (tree.mode("tools/train.py"), tree.mode("setup.py")) == (0o755, 0o644)


def test_the_users_git_settings_do_not_change_the_bytes(
    cache: Cache, upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "gitconfig"
    settings.write_text(
        "[core]\n  autocrlf = true\n[safe]\n  bareRepository = explicit\n[tar]\n  umask = 0\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    tree = fetch_one(upstream.pin, cache, upstream.url)
    assert (tree.read("setup.py"), tree.mode("setup.py")) == (FILES["setup.py"], 0o644)


def test_only_the_tagged_commit_is_fetched(cache: Cache, upstream: Upstream) -> None:
    fetch_one(upstream.pin, cache, upstream.url)
    path = cache.repository_path(upstream.pin)
    with Repo(path) as repo:
        assert [commit.hexsha for commit in repo.iter_commits("v3.3.0")] == [upstream.pin.commit]
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_it_is_fetched_once_and_then_read_from_the_cache(cache: Cache, upstream: Upstream) -> None:
    first = fetch_one(upstream.pin, cache, upstream.url)
    shutil.rmtree(upstream.folder)
    for offline in (False, True):
        again = fetch_one(upstream.pin, cache, upstream.url, offline=offline)
        assert list(again.paths()) == list(first.paths())


def test_progress_is_reported(cache: Cache, upstream: Upstream) -> None:
    steps: list[tuple[str, int, int]] = []
    fetch(
        [upstream.pin],
        cache,
        origin="git",
        mirror=upstream.url,
        progress=lambda *step: steps.append(step),
    )
    assert {what for what, _, _ in steps} == {"mmdet 3.3.0"}
    assert all(done <= total for _, done, total in steps)


def test_a_damaged_repository_in_the_cache_is_fetched_again(
    cache: Cache, upstream: Upstream
) -> None:
    fetch_one(upstream.pin, cache, upstream.url)
    shutil.rmtree(cache.repository_path(upstream.pin) / "objects")
    assert fetch_one(upstream.pin, cache, upstream.url).read("setup.py") == FILES["setup.py"]


def test_a_tag_that_was_moved_is_an_error_that_names_both_commits(
    cache: Cache, upstream: Upstream
) -> None:
    moved = upstream.move_tag({"setup.py": b"evil\n"})
    with pytest.raises(SourceError, match=r"the tag v3\.3\.0 is not at the pinned") as caught:
        fetch_one(upstream.pin, cache, upstream.url)
    assert f"expected {upstream.pin.commit}" in caught.value.message
    assert f"found    {moved}" in caught.value.message
    assert list(cache.repository_path(upstream.pin).parent.iterdir()) == []


def test_a_repository_in_the_cache_with_another_commit_is_not_used(
    cache: Cache, upstream: Upstream
) -> None:
    fetch_one(upstream.pin, cache, upstream.url)
    moved = upstream.move_tag({"setup.py": b"new\n"})
    tree = fetch_one(replace(upstream.pin, commit=moved), cache, upstream.url)
    assert tree.read("setup.py") == b"new\n"


def test_without_a_recorded_commit_the_archive_vouches_for_the_package(
    cache: Cache, upstream: Upstream, server: Server
) -> None:
    pin = replace(server.offer(ARCHIVE, "mmdet", "3.3.0"), commit="")
    assert fetch_one(pin, cache, upstream.url).read("tools/train.py") == b"print('train')\n"
    assert len(server.log) == 1


@pytest.mark.parametrize(
    ("files", "path"),
    [
        pytest.param({"mmdet/version.py": b"evil\n"}, "mmdet/version.py", id="a changed module"),
        pytest.param({"mmdet/evil.py": b""}, "mmdet/evil.py", id="a module more"),
        pytest.param({"setup.py": b"evil\n"}, "setup.py", id="a changed setup.py"),
        pytest.param({"tools/train.py": b"evil\n"}, "mmdet/.mim/tools/train.py", id="a tool"),
    ],
)
def test_without_a_recorded_commit_a_difference_from_the_archive_is_an_error(
    cache: Cache, upstream: Upstream, server: Server, files: dict[str, bytes], path: str
) -> None:
    pin = replace(server.offer(ARCHIVE, "mmdet", "3.3.0"), commit="")
    upstream.move_tag(files)
    with pytest.raises(SourceError, match="differs from the pinned archive") as caught:
        fetch_one(pin, cache, upstream.url)
    assert caught.value.message.endswith(f":\n  {path}")


def test_a_mirror_that_was_no_true_copy_is_forgotten(
    cache: Cache, upstream: Upstream, server: Server, tmp_path: Path
) -> None:
    pin = replace(server.offer(ARCHIVE, "mmdet", "3.3.0"), commit="")
    true_copy = Upstream(tmp_path / "true")
    upstream.move_tag({"setup.py": b"evil\n"})
    with pytest.raises(SourceError, match="differs from the pinned archive"):
        fetch_one(pin, cache, upstream.url)
    assert fetch_one(pin, cache, true_copy.url).read("setup.py") == FILES["setup.py"]


def test_without_commit_and_archive_the_user_is_told(
    cache: Cache, upstream: Upstream, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    pin = replace(upstream.pin, commit="", sha256="1" * 64)
    with caplog.at_level(logging.WARNING):
        tree = fetch_one(pin, cache, upstream.url)
    assert tree.version == "3.3.0"
    assert caplog.messages == [
        "mmdet 3.3.0: no commit is recorded, and its archive is not at hand: not verified"
    ]


def test_offline_without_the_repository_is_an_error_that_names_the_command(
    cache: Cache, upstream: Upstream
) -> None:
    with pytest.raises(SourceError, match=r"the git repository of mmdet 3\.3\.0 is not") as caught:
        fetch_one(upstream.pin, cache, upstream.url, offline=True)
    assert "`porter fetch --from git`" in caught.value.hint


def test_a_tag_that_is_not_there_is_an_error_in_gits_words(
    cache: Cache, upstream: Upstream
) -> None:
    with pytest.raises(SourceError, match=r"cannot fetch the tag v9 from .*mmdetection: fatal:"):
        fetch_one(replace(upstream.pin, tag="v9"), cache, upstream.url)
    assert list(cache.repository_path(upstream.pin).parent.iterdir()) == []


def test_no_network_is_an_error_that_shows_no_password(cache: Cache, upstream: Upstream) -> None:
    with pytest.raises(SourceError, match="git cannot fetch the tag") as caught:
        fetch_one(upstream.pin, cache, "http://somebody:secret@127.0.0.1:9/mirror")
    assert "http://127.0.0.1:9/mirror/open-mmlab/mmdetection" in caught.value.message
    assert "secret" not in caught.value.message
    assert "mirror" in caught.value.hint


@pytest.mark.parametrize("mirror", ["mirror", "--upload-pack=evil", "ext::sh -c evil", "/folder"])
def test_a_mirror_that_is_no_url_is_an_error(cache: Cache, upstream: Upstream, mirror: str) -> None:
    with pytest.raises(UsageError, match=re.escape(f"--mirror {mirror}: not a URL")):
        fetch_one(upstream.pin, cache, mirror)


def test_a_pin_without_a_tag_cannot_come_from_git(cache: Cache, upstream: Upstream) -> None:
    with pytest.raises(UnsupportedVersion, match="has no pinned git tag"):
        fetch_one(Pin("apex", "0.1"), cache, upstream.url)


def test_without_git_the_error_says_what_to_install(
    cache: Cache, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "git", None)
    with pytest.raises(SourceError, match="the git program is not installed") as caught:
        fetch_one(upstream.pin, cache, upstream.url)
    assert "--from archive" in caught.value.hint
