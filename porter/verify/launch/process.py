"""Starting a training in a process of its own, following it, and ending it whatever happens.

The children hold the reading end of a pipe as their standard input and end when it closes
(``porter.training.watchdog``). So a porter that is killed, even by SIGKILL, leaves no process:
not torchrun's workers either, which are in sessions of their own.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import porter.training

SCRIPT = Path(porter.training.__file__).with_name("__main__.py")
POLL_SECONDS = 0.1
GRACE_SECONDS = 5.0


@dataclass(frozen=True)
class Ranks:
    """How many processes train, on which machines.

    Attributes:
        nproc: Processes on this machine.
        nnodes: Machines.
        node_rank: Which of them this is.
        master_addr: Where rank 0 listens; empty for this machine.
        master_port: Its port; 0 for a free one, which only one machine can choose.
    """

    nproc: int = 1
    nnodes: int = 1
    node_rank: int = 0
    master_addr: str = ""
    master_port: int = 0

    @property
    def distributed(self) -> bool:
        """Whether torchrun has to start them."""
        return self.world > 1

    @property
    def world(self) -> int:
        """Processes on all machines."""
        return self.nproc * self.nnodes

    @property
    def local(self) -> range:
        """The ranks that run on this machine."""
        first = self.node_rank * self.nproc
        return range(first, first + self.nproc)

    def torchrun(self) -> list[str]:
        """The arguments of ``torch.distributed.run`` that stand for this."""
        if self.nnodes == 1 and not self.master_port:
            # The rendezvous takes whatever port is free.
            return ["--standalone", "--nnodes=1", f"--nproc_per_node={self.nproc}"]
        return [
            f"--nnodes={self.nnodes}",
            f"--node_rank={self.node_rank}",
            f"--nproc_per_node={self.nproc}",
            f"--master_addr={self.master_addr or '127.0.0.1'}",
            f"--master_port={self.master_port or 29500}",
        ]


@dataclass(frozen=True)
class Launch:
    """One training to start.

    Attributes:
        python: The interpreter that trains.
        job: What ``porter.training`` is to do; written to the folder ``job["out"]``, which the
            machines of one training may share.
        environment: Variables set for it, over those of this process.
    """

    python: Path
    job: Mapping[str, Any]
    ranks: Ranks = field(default_factory=Ranks)
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def out(self) -> Path:
        """The folder that the processes write to."""
        return Path(self.job["out"])

    @property
    def log(self) -> Path:
        """All that the processes of this machine print."""
        return self.out / f"output{self._machine}.log"

    @property
    def job_file(self) -> Path:
        """Where the job is written."""
        return self.out / f"job{self._machine}.json"

    @property
    def _machine(self) -> str:
        return f"-{self.ranks.node_rank}" if self.ranks.nnodes > 1 else ""

    def command(self) -> list[str]:
        """What is run."""
        job = [str(SCRIPT), str(self.job_file)]
        if not self.ranks.distributed:
            return [str(self.python), *job]
        run = ["-m", "torch.distributed.run", *self.ranks.torchrun()]
        return [str(self.python), *run, *job]


def train(launch: Launch, follow: Callable[[], None]) -> int:
    """Run a training to its end.

    Args:
        follow: Called some ten times a second meanwhile, and once after the end.

    Returns:
        The exit code; negative for a signal.
    """
    launch.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(launch.job, sort_keys=True, indent=1)
    launch.job_file.write_text(text, encoding="utf-8")
    with launch.log.open("wb") as log, _ended_with_us(launch, log.fileno()) as process:
        while process.poll() is None:
            follow()
            time.sleep(POLL_SECONDS)
    follow()
    return int(process.returncode)


@contextmanager
def _ended_with_us(launch: Launch, log: int) -> Iterator[subprocess.Popen[bytes]]:
    """The process, which has ended when the block is left, however it is left."""
    with _terminations_raise():
        reading, writing = os.pipe()
        process = subprocess.Popen(
            launch.command(),
            stdin=reading,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=launch.out,
            env={**os.environ, **launch.environment},
            start_new_session=True,
        )
        os.close(reading)
        try:
            yield process
        finally:
            os.close(writing)
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)


@contextmanager
def _terminations_raise() -> Iterator[None]:
    """Have SIGTERM and SIGHUP unwind the stack, as Ctrl-C does, so that all is cleaned up."""
    before = {}
    for number in (signal.SIGTERM, signal.SIGHUP):
        with suppress(ValueError):  # only the main thread may
            before[number] = signal.signal(number, _raise)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _raise(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


def last_lines(log: Path, count: int = 15) -> str:
    """The end of what a training printed."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(text.rstrip().splitlines()[-count:])


def thread_variables(threads: int) -> dict[str, str]:
    """The environment that limits what libraries below torch start."""
    return {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}


def host_variables(visible_devices: Sequence[str]) -> dict[str, str]:
    """The environment in which no chip is to be seen.

    Args:
        visible_devices: The variables by which chips choose their devices.
    """
    hidden = dict.fromkeys((*visible_devices, "CUDA_VISIBLE_DEVICES"), "")
    return {**hidden, "TORCH_DEVICE_BACKEND_AUTOLOAD": "0"}
