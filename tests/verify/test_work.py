"""Folders that processes write to are gone when a verification is over."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from porter.source import Cache
from porter.verify.launch.work import work_folder


def test_it_is_deleted_afterwards_after_an_error_too(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    with work_folder(cache) as folder:
        (folder / "record").write_text("x")
    assert not folder.exists()
    with pytest.raises(KeyboardInterrupt), work_folder(cache) as folder:
        raise KeyboardInterrupt
    assert not folder.exists()


def test_it_is_kept_where_asked_in_place_of_an_earlier_one(tmp_path: Path) -> None:
    keep = tmp_path / "report" / "runs"
    for word in ("first", "second"):
        with work_folder(Cache(tmp_path / "cache"), keep) as folder:
            (folder / word).write_text(word)
    assert [path.name for path in keep.iterdir()] == ["second"]


def test_what_a_killed_porter_left_is_swept_and_no_living_ones(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left, living = (tmp_path / "work" / f"{pid}-x" for pid in (ended.pid, os.getppid()))
    left.mkdir(parents=True)
    living.mkdir()
    with work_folder(Cache(tmp_path)):
        assert not left.exists()
        assert living.exists()
