"""Exports of the real ports, put on the real releases."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from porter.apply import Request, apply, revert
from porter.export.run import export
from porter.source import Cache
from tests.helpers import all_rules, all_targets
from tests.world import Snapshot, snapshot

pytestmark = [pytest.mark.upstream, pytest.mark.slow]

TARGETS = ("sdaa", "npu")


def packages(folder: Path) -> Snapshot:
    found = snapshot(folder)
    return {p: f for p, f in found.items() if not p.startswith((".porter", ".git/"))}


def file_bytes(files: Snapshot) -> dict[str, bytes]:
    return {path: data for path, (data, _) in files.items()}


@pytest.mark.parametrize("name", TARGETS)
def test_each_form_gives_the_ported_tree(name: str, upstream_cache: Path, tmp_path: Path) -> None:
    into, rules = tmp_path / "vendor", all_rules()
    target = all_targets()[name]
    apply(Request(target, tuple(rules), into, offline=True), Cache(upstream_cache))
    ported = packages(into)
    done = export(into, tmp_path / "patches", "patches", rules)
    export(into, tmp_path / "git", "git", rules)
    export(into, tmp_path / "overlay", "overlay", rules)
    revert(into)
    for command in (["git", "apply"], ["patch", "-p1", "-s", "-i"]):
        if shutil.which(command[0]):
            tree = tmp_path / f"put by {command[0]}"
            shutil.copytree(into, tree)
            for patch in (tmp_path / "patches/series").read_text().splitlines():
                put = [*command, str(tmp_path / "patches" / patch)]
                subprocess.run(put, cwd=tree, check=True, capture_output=True)
            assert file_bytes(packages(tree)) == file_bytes(ported), command
    assert packages(tmp_path / "git") == ported
    for need in (tmp_path / "overlay").iterdir():
        shutil.copytree(need, into / need.name.removesuffix("_need"), dirs_exist_ok=True)
    assert file_bytes(packages(into)) == file_bytes(ported)
    assert len(done.steps) > 20
    assert all(step.body.count("Source: ") == 1 for step in done.steps)
