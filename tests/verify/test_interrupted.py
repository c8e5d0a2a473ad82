"""A killed or interrupted ``porter verify`` leaves no process, no port in use, no broken cache."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from porter.source import Cache
from tests.helpers import hear_interrupts
from tests.verify import processes
from tests.verify.world import IMAGE, STEPS, World

pytestmark = [pytest.mark.torch, pytest.mark.upstream, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
#: Seconds; a busy machine is slow to start a training, and no process ends at once.
PATIENCE, DYING = 240, 20
all_of_them = pytest.mark.skipif(
    not os.environ.get("PORTER_TEST_ALL_KILLS"),
    reason="takes minutes, and two of its kind run anyway: set PORTER_TEST_ALL_KILLS=1",
)


@dataclass
class Verify:
    """``porter verify`` as a process of its own, whose whole family has a mark."""

    world: World
    seed: int = 0
    nproc: int = 1
    mark: str = field(default_factory=lambda: f"PORTER_TEST_MARK={uuid.uuid4().hex}")

    def start(self) -> subprocess.Popen[str]:
        """Start it, in two steps of small images, as all tests have it."""
        name, _, value = self.mark.partition("=")
        options = {
            "--into": self.world.ported(),
            "--python": self.world.python,
            "--report": self.world.root / f"report-{value}",
            "--steps": STEPS,
            "--image-size": IMAGE,
            "--seed": self.seed,
            "--nproc": self.nproc,
        }
        command = [sys.executable, "-m", "porter", "verify", "reppoints"]
        command += [word for pair in options.items() for word in map(str, pair)]
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "PORTER_CACHE": str(self.world.cache.root), name: value},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=hear_interrupts,
        )

    def family(self) -> list[int]:
        """It and all below it that are alive."""
        return processes.marked(self.mark)

    def trains_in(self, folder: str, count: int) -> bool:
        """Whether so many processes train by a job in that folder of the cache."""
        jobs = [processes.command_of(process) for process in self.family()]
        place = f"__main__.py {self.world.cache.root / folder}"
        return sum(place in job and "torch.distributed" not in job for job in jobs) >= count


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.1)
    return False


def work_of(cache: Cache, process: int) -> list[Path]:
    """The work folders of a porter."""
    return sorted((cache.root / "work").glob(f"{process}-*"))


def stop(verify: Verify, folder: str, number: signal.Signals) -> int:
    """Start it, end it by a signal while it trains there, and see that nothing lives on.

    Returns:
        Its process number.
    """
    porter = verify.start()
    assert wait_for(lambda: verify.trains_in(folder, verify.nproc), PATIENCE)
    time.sleep(1.0)  # some way into it
    ports = processes.listened_to_by(verify.family())
    porter.send_signal(number)
    said, _ = porter.communicate(timeout=PATIENCE)
    assert wait_for(lambda: not verify.family(), DYING), verify.family()
    assert not ports & processes.listening()
    killed = number == signal.SIGKILL
    expected = 130 if number == signal.SIGINT else 128 + number
    assert porter.returncode == (-number if killed else expected), said
    left = work_of(verify.world.cache, porter.pid)
    assert bool(left) == killed, "only who is killed outright cannot tidy up"
    return porter.pid


def passes(verify: Verify, killed: int) -> None:
    """The same verification passes, and sweeps up after the one that was killed."""
    found = verify.world.verify(verify.world.ported(), seed=verify.seed, nproc=verify.nproc)
    assert found.verdict.outcome == "pass"
    assert not work_of(verify.world.cache, killed)


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGINT,
        pytest.param(signal.SIGTERM, marks=all_of_them),
        pytest.param(signal.SIGKILL, marks=all_of_them),
    ],
)
def test_while_two_ranks_of_the_port_train(world: World, number: signal.Signals) -> None:
    verify = Verify(world, nproc=2)
    passes(verify, stop(verify, "work", number))


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(signal.SIGINT, marks=all_of_them),
        pytest.param(signal.SIGTERM, marks=all_of_them),
        signal.SIGKILL,
    ],
)
def test_while_upstream_trains(world: World, number: signal.Signals) -> None:
    seed = time.time_ns() % 10**6 + 1  # its runs are not in the cache
    verify = Verify(world, seed=seed)
    passes(verify, stop(verify, "runs", number))
