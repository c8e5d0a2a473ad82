"""Upgrades over the real releases."""

from __future__ import annotations

from pathlib import Path

import pytest

from porter.apply import Request, apply
from porter.source import Cache
from porter.upgrade.model import UpgradeRequest
from porter.upgrade.run import upgrade
from tests.helpers import all_rules, all_targets
from tests.world import snapshot

pytestmark = [pytest.mark.upstream, pytest.mark.slow]


def test_every_package_moves_and_an_edit_by_hand_with_it(
    upstream_cache: Path, tmp_path: Path
) -> None:
    cache, rules, target = Cache(upstream_cache), tuple(all_rules()), all_targets()["sdaa"]
    old = {"mmengine": "0.10.3", "mmcv": "2.0.0", "mmdet": "3.1.0"}
    new = {"mmengine": "0.10.7", "mmcv": "2.1.0", "mmdet": "3.3.0"}
    into, fresh = tmp_path / "vendor", tmp_path / "fresh"
    apply(Request(target, rules, into, pins=old, offline=True), cache)
    apply(Request(target, rules, fresh, pins=new, offline=True), cache)
    edited = into / "mmengine/mmengine/runner/runner.py"
    text = edited.read_text().replace("class Runner:", "class Runner:  # mine", 1)
    edited.write_text(text)
    done = upgrade(UpgradeRequest(all_targets(), rules, into, pins=new, offline=True), cache)
    assert (done.status, done.carried) == ("upgraded", ("mmengine/mmengine/runner/runner.py",))
    assert "class Runner:  # mine" in edited.read_text()
    edited.write_text(edited.read_text().replace("class Runner:  # mine", "class Runner:", 1))
    found, wanted = snapshot(into), snapshot(fresh)
    assert {p: f[0] for p, f in found.items()} == {p: f[0] for p, f in wanted.items()}
    assert {change.kind for change in done.rules} >= {"moved"}
