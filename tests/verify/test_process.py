"""A training leaves no process, however it or porter ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from porter.verify.launch import process
from porter.verify.launch.process import Launch, Ranks, host_variables, last_lines, train
from tests.helpers import hear_interrupts

ROOT = Path(__file__).resolve().parents[2]

#: Stands in for the script that trains: it takes its orders from the job and needs no torch.
STAND_IN = """
import json, os, sys, time
sys.path.insert(0, {root!r})
from porter.training.watchdog import end_with_parent
end_with_parent()
job = json.load(open(sys.argv[1]))
open(os.path.join(job["out"], "pid"), "w").write(str(os.getpid()))
print("begun", os.environ.get("OMP_NUM_THREADS"), flush=True)
time.sleep(job["sleep"])
sys.exit(job["code"])
"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    script = tmp_path / "stand_in.py"
    script.write_text(STAND_IN.format(root=str(ROOT)))
    monkeypatch.setattr(process, "SCRIPT", script)
    return script


def launch(out: Path, sleep: float, code: int = 0) -> Launch:
    job = {"out": str(out), "sleep": sleep, "code": code}
    return Launch(Path(sys.executable), job, environment={"OMP_NUM_THREADS": "3"})


def pid_in(out: Path) -> int:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if (out / "pid").exists() and (text := (out / "pid").read_text()):
            return int(text)
        time.sleep(0.02)
    raise AssertionError("it did not start")


def is_gone(pid: int) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if Path(f"/proc/{pid}/stat").exists() and ") Z " in Path(f"/proc/{pid}/stat").read_text():
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("code", [0, 1, 7])
def test_the_exit_code_is_handed_on(code: int, stand_in: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert train(launch(out, 0, code), lambda: None) == code
    assert last_lines(out / "output.log") == "begun 3"


def test_it_is_followed_while_it_runs_and_once_after(stand_in: Path, tmp_path: Path) -> None:
    calls: list[float] = []
    train(launch(tmp_path / "out", 0.5), lambda: calls.append(time.monotonic()))
    assert len(calls) >= 3


def test_a_signal_is_told_from_an_exit(stand_in: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    seen: list[int] = []

    def kill_once() -> None:
        if not seen and (out / "pid").exists() and (out / "pid").read_text():
            seen.append(pid_in(out))
            os.kill(seen[0], signal.SIGKILL)

    assert train(launch(out, 30), kill_once) == -signal.SIGKILL


def test_an_interruption_ends_it(stand_in: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"

    def interrupt() -> None:
        pid_in(out)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(launch(out, 60), interrupt)
    assert is_gone(pid_in(out))


PORTER = """
import sys
from pathlib import Path
from porter.verify.launch import process
process.SCRIPT = Path({script!r})
job = dict(out={out!r}, sleep=60, code=0)
process.train(process.Launch(Path(sys.executable), job), lambda: None)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_it_ends_with_a_porter_that_is_killed(
    number: signal.Signals, stand_in: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    program = PORTER.format(script=str(stand_in), out=str(out))
    porter = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
        preexec_fn=hear_interrupts,
    )
    pid = pid_in(out)
    porter.send_signal(number)
    porter.wait(20)
    assert is_gone(pid)


def test_handlers_are_as_they_were(stand_in: Path, tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGHUP)
    train(launch(tmp_path / "out", 0), lambda: None)
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGHUP)) == before


@pytest.mark.parametrize(
    ("ranks", "expected"),
    [
        (Ranks(3), ["--standalone", "--nnodes=1", "--nproc_per_node=3"]),
        (
            Ranks(2, 2, 1, "node0", 0),
            [
                "--nnodes=2",
                "--node_rank=1",
                "--nproc_per_node=2",
                "--master_addr=node0",
                "--master_port=29500",
            ],
        ),
        (
            Ranks(8, master_port=1234),
            [
                "--nnodes=1",
                "--node_rank=0",
                "--nproc_per_node=8",
                "--master_addr=127.0.0.1",
                "--master_port=1234",
            ],
        ),
    ],
    ids=["one machine", "the second of two", "a port of one's own"],
)
def test_torchrun_is_told_all(ranks: Ranks, expected: list[str]) -> None:
    assert ranks.torchrun() == expected


def test_ranks_of_a_machine_follow_those_before_it() -> None:
    ranks = Ranks(nproc=3, nnodes=2, node_rank=1)
    assert (ranks.world, list(ranks.local)) == (6, [3, 4, 5])


def test_the_host_sees_no_chip() -> None:
    hidden = host_variables(["SDAA_VISIBLE_DEVICES"])
    assert hidden["SDAA_VISIBLE_DEVICES"] == hidden["CUDA_VISIBLE_DEVICES"] == ""
