"""Runs of porter that are killed, refused or interrupted at every one of their writes.

``python -m tests.injure SCENARIO INJURY FOLDER`` tries a scenario again and again, the
injury one write later each time, until a run comes through, and checks what each left.
Python announces a write to the hook before it makes it, so nothing in porter is replaced.
A process of its own, as such a hook stays for good, and as it forks to be killed.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _pytest.monkeypatch import MonkeyPatch

from porter.errors import TreeStateError, WriteError
from porter.write import recover
from porter.write.journal import read_journal
from tests.upgrade.world import newer_release, upgrade_world, upgraded
from tests.world import PROBE_RULE, SCRIPT, SCRIPT_RULE, Snapshot, World, replaced, write_files

NEWER = (replaced("python3", SCRIPT, "python train", "python3.9 train"),)
RULES = (SCRIPT_RULE, PROBE_RULE)
WRITES = {
    "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.utime", "os.chown"
}  # fmt: skip


class Hook:
    """Injures the process at the write with a given number, or at all from there on."""

    def __init__(self) -> None:
        self.act: Callable[[], None] | None = None
        self.folder, self.countdown, self.stays = "", 0, False
        sys.addaudithook(self._hear)

    def arm(self, act: Callable[[], None], folder: Path, countdown: int, stays: bool) -> None:
        self.act, self.folder = act, str(folder)
        self.countdown, self.stays = countdown, stays

    def disarm(self) -> bool:
        """Returns whether it injured."""
        self.act = None
        return self.countdown <= 0

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.act is None or not self._is_write(event, arguments):
            return
        self.countdown -= 1
        if self.countdown == 0 or (self.countdown < 0 and self.stays):
            self.act()

    def _is_write(self, event: str, arguments: tuple[Any, ...]) -> bool:
        is_write = event in WRITES or (event == "open" and bool(arguments[2] & os.O_CREAT))
        return is_write and str(arguments[0]).startswith(self.folder)


@dataclass(frozen=True)
class Scenario:
    """A run of porter, and what comes before it."""

    prepare: Callable[[World], object]
    run: Callable[[World], object]


SCENARIOS = {
    "fresh": Scenario(lambda world: None, lambda world: world.apply()),
    "empty": Scenario(lambda world: world.into.mkdir(), lambda world: world.apply()),
    "in-place": Scenario(lambda world: world.check_out(), lambda world: world.apply()),
    "newer-rules": Scenario(lambda world: world.apply(), lambda world: world.apply(rules=NEWER)),
    "revert": Scenario(lambda world: world.apply(), lambda world: world.revert()),
    "upgrade": Scenario(lambda world: world.apply(), lambda world: upgraded(world)),
}


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def refuse() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def interrupt() -> None:
    raise KeyboardInterrupt


def run_unless_reverted(run: Callable[[World], object], world: World) -> None:
    """Run porter, where a revert may have come to its end before it was killed."""
    try:
        run(world)
    except TreeStateError as error:
        if "is not ported" not in error.message:
            raise


class Trial:
    """One scenario in one folder, tried again and again."""

    def __init__(self, scenario: Scenario, root: Path) -> None:
        self.scenario, self.root, self.hook = scenario, root, Hook()
        self.world = upgrade_world(root, MonkeyPatch())
        self.world.rules = RULES
        self.old = self.anew()
        scenario.run(self.world)
        self.new = self.found()

    def anew(self) -> Snapshot:
        shutil.rmtree(self.world.into, ignore_errors=True)
        self.scenario.prepare(self.world)
        return self.found()

    def found(self) -> Snapshot:
        return self.world.files() if self.world.into.exists() else {}

    def packages(self, files: Snapshot) -> Snapshot:
        """What is not porter's own; an empty folder that may not be removed is no loss."""
        return {
            path: file
            for path, file in files.items()
            if not path.startswith(".porter") and not path.endswith("/")
        }

    def difference(self) -> list[str]:
        """The paths that are not as they were."""
        found = self.found()
        paths = found.keys() | self.old.keys()
        return sorted(path for path in paths if found.get(path) != self.old.get(path))

    def litter(self) -> list[str]:
        return sorted(
            {path.name for path in self.root.iterdir()} - {"cache", "vendor", "pristine", "newer"}
        )

    def injured(self, act: Callable[[], None], countdown: int, *, stays: bool = False) -> bool:
        """Run with the injury, in this process; whether there was one."""
        self.hook.arm(act, self.root, countdown, stays)
        try:
            self.scenario.run(self.world)
        finally:
            hurt = self.hook.disarm()
        return hurt

    def killed(
        self, run: Callable[[World], object], countdown: int, act: Callable[[], None] = kill
    ) -> bool:
        """Run in a process that is killed; whether it was."""
        child = os.fork()
        if child == 0:
            self.hook.arm(act, self.root, countdown, False)
            with suppress(WriteError):
                run(self.world)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, f"exit status {status}"
        return os.WIFSIGNALED(status)

    def check_old_new_or_journal(self) -> None:
        if read_journal(self.world.into) is None:
            assert self.packages(self.found()) in (
                self.packages(self.old),
                self.packages(self.new),
            ), "neither the old tree nor the new one, and no journal"

    def check_second_run(self, *, strict: bool = True) -> None:
        run_unless_reverted(self.scenario.run, self.world)
        found, new = self.found(), self.new
        if not strict:
            found, new = self.packages(found), self.packages(new)
        assert found == new, "the second run does not come to the new tree"
        assert not self.litter(), f"left beside the tree: {self.litter()}"


def try_kill(trial: Trial, number: int) -> bool:
    trial.anew()
    if not trial.killed(trial.scenario.run, number):
        return False
    trial.check_old_new_or_journal()
    trial.check_second_run()
    return True


def try_kill_twice(trial: Trial, number: int) -> bool:
    """Kill a run whose journal is written, then kill the run that finishes it."""
    trial.anew()
    if not trial.killed(trial.scenario.run, number):
        return False
    if read_journal(trial.world.into) is None:
        return True
    second = 1
    while trial.killed(lambda world: recover(world.into), second):
        trial.check_old_new_or_journal()
        second += 3
    trial.check_second_run()
    return True


def try_kill_while_going_back(trial: Trial, number: int) -> bool:
    """Refuse a write, then kill the run while it undoes what it did."""
    later = 1

    def refuse_then_kill() -> None:
        trial.hook.arm(kill, trial.root, later, False)
        refuse()

    trial.anew()
    while trial.killed(trial.scenario.run, number, refuse_then_kill):
        trial.check_old_new_or_journal()
        trial.check_second_run(strict=False)
        trial.anew()
        later += 3
    return try_kill(trial, number)


def try_kill_then_revert(trial: Trial, number: int) -> bool:
    trial.anew()
    if not trial.killed(trial.scenario.run, number):
        return False
    run_unless_reverted(World.revert, trial.world)
    pristine = World(trial.root / "pristine")
    newer = World(trial.root / "newer")
    if not pristine.into.exists():
        pristine.check_out()
        newer.check_out("mmcv", "mmdet")
        write_files(newer.into / "mmengine", newer_release())
    found = trial.packages(trial.found())
    assert found in (pristine.files(), newer.files(), {}), "not pristine"
    return True


def try_refuse(trial: Trial, number: int, act: Callable[[], None] = refuse) -> bool:
    trial.anew()
    try:
        return trial.injured(act, number)
    except WriteError as error:
        if "new files are in place" in error.message:
            assert trial.packages(trial.found()) == trial.packages(trial.new)
            trial.check_second_run()
        else:
            assert trial.found() == trial.old, f"not as it was: {trial.difference()}"
            assert not trial.litter(), f"left beside the tree: {trial.litter()}"
    except KeyboardInterrupt:
        trial.check_old_new_or_journal()
        trial.check_second_run()
    return True


def try_refuse_from_there(trial: Trial, number: int) -> bool:
    trial.anew()
    try:
        return trial.injured(refuse, number, stays=True)
    except WriteError:
        trial.check_old_new_or_journal()
        trial.check_second_run()
    return True


INJURIES: dict[str, Callable[[Trial, int], bool]] = {
    "kill": try_kill,
    "kill-twice": try_kill_twice,
    "kill-while-going-back": try_kill_while_going_back,
    "kill-then-revert": try_kill_then_revert,
    "refuse-once": try_refuse,
    "refuse-from-there": try_refuse_from_there,
    "interrupt": lambda trial, number: try_refuse(trial, number, interrupt),
}

#: How many writes to move on after a try; 1 for others.
STRIDES = {"kill-twice": 3, "kill-while-going-back": 5, "kill-then-revert": 3, "interrupt": 2}


def main(scenario: str, injury: str, folder: str) -> None:
    """Try until a run comes through; print at which write that was."""
    trial, number = Trial(SCENARIOS[scenario], Path(folder)), 1
    try:
        while INJURIES[injury](trial, number):
            number += STRIDES.get(injury, 1)
    except BaseException as error:
        raise AssertionError(f"{scenario}, {injury} at write {number}") from error
    print(number)


if __name__ == "__main__":
    main(*sys.argv[1:])
