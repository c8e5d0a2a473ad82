"""Killed, interrupted or refused at any write: the old tree, the new one, or a way to it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.injure import INJURIES, SCENARIOS

ROOT = Path(__file__).parent.parent
QUICK = ("kill", "refuse-once")


def _is_quick(scenario: str, injury: str) -> bool:
    return injury in QUICK and scenario == "fresh"


def _cases() -> list[object]:
    return [
        pytest.param(
            scenario, injury, marks=() if _is_quick(scenario, injury) else pytest.mark.slow
        )
        for scenario in SCENARIOS
        for injury in INJURIES
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="it forks")
@pytest.mark.parametrize(("scenario", "injury"), _cases())
def test_a_run_that_is(scenario: str, injury: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.injure", scenario, injury, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 20
