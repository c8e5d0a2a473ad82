"""The promises that take running: both trees in child processes, asked the same questions."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import porter.training
from porter.check.model import TREE_INVARIANTS, Result, judged, skipped
from porter.errors import CouldNotRun
from porter.model import Target
from porter.verify.launch.interpreter import LAST_LINES, survey
from porter.verify.launch.process import host_variables, thread_variables
from porter.verify.trees import Trees

SCRIPT = Path(porter.training.__file__).with_name("behaviour.py")
#: Seconds for one child: it imports some nine hundred modules.
PATIENCE = 900
_ASKED = ("imports", "behaviour", "device")

Answers = Mapping[str, Any]


@dataclass(frozen=True)
class Sides:
    """What both said by themselves, and beside a stand-in of the chip's plugin."""

    upstream: Answers
    ported: Answers
    upstream_chip: Answers
    chip: Answers


def check_running(python: Path, target: Target, upstream: Trees, ported: Trees) -> list[Result]:
    """Import both trees and run them on the host.

    Args:
        python: The Python to run them in.

    Raises:
        CouldNotRun: That Python does not run, or a child dies.
    """
    found = survey(python)
    if found.torch_problem:
        return [
            skipped(name, f"{found.executable} has no torch: name one that has with --python")
            for name in _ASKED
        ]
    sides = Sides(
        ask(found.executable, target, upstream, "plain"),
        ask(found.executable, target, ported, "plain"),
        ask(found.executable, target, upstream, "chip"),
        ask(found.executable, target, ported, "chip"),
    )
    return judge_running(sides, sorted(ported.roots))


def judge_running(sides: Sides, packages: Iterable[str]) -> list[Result]:
    """The verdicts on what both sides said."""
    lacking = [name for name in packages if sides.upstream["modules"].get(name) != "ok"]
    if lacking:
        reason = f"upstream's {lacking[0]} cannot be imported there: "
        reason += str(sides.upstream["modules"].get(lacking[0], "not found"))
        return [skipped(name, reason) for name in _ASKED]
    modules = len(sides.ported["modules"])
    upstream, ported = sides.upstream, sides.ported
    return [
        judged(
            "imports", TREE_INVARIANTS["imports"], f"{modules} modules", _import_problems(sides)
        ),
        judged(
            "behaviour",
            TREE_INVARIANTS["behaviour"],
            f"{len(_answered(upstream['answers']))} questions",
            _behaviour_problems(upstream["answers"], ported["answers"]),
        ),
        judged("device", TREE_INVARIANTS["device"], f"{modules} modules", _device_problems(sides)),
    ]


def ask(python: Path, target: Target, trees: Trees, mode: str) -> Answers:
    """What a tree says in a child process.

    Args:
        mode: ``plain`` without the plugin, ``chip`` with a stand-in of it.

    Raises:
        CouldNotRun: The child died.
    """
    with tempfile.TemporaryDirectory(prefix="porter-check-") as folder:
        out = Path(folder) / "answers.json"
        job = {
            "roots": {name: str(root) for name, root in trees.roots.items()},
            "mode": mode,
            "device": target.device,
            "plugin": target.plugin,
            "out": str(out),
        }
        environment = {
            **{key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
            **host_variables([target.visible_devices] if target.visible_devices else []),
            **thread_variables(1),
            "PYTHONHASHSEED": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
            "MPLBACKEND": "agg",
        }
        command = [str(python), str(SCRIPT), json.dumps(job)]
        try:
            done = subprocess.run(
                command, cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                capture_output=True, text=True, errors="replace", timeout=PATIENCE,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as problem:
            raise _no_answer(python, str(problem)) from problem
        if not out.is_file():
            last = "\n".join(done.stderr.splitlines()[-LAST_LINES:])
            raise _no_answer(python, f"it ended with {done.returncode}\n{last}")
        found: Answers = json.loads(out.read_text(encoding="utf-8"))
    return found


def _no_answer(python: Path, reason: str) -> CouldNotRun:
    return CouldNotRun(
        f"the trees could not be asked in {python}: {reason}",
        hint="`porter doctor` tells what that Python lacks; --static runs nothing.",
    )


def _import_problems(sides: Sides) -> Iterator[str]:
    upstream, ported = sides.upstream, sides.ported
    for module, outcome in sorted(upstream["modules"].items()):
        now = ported["modules"].get(module, "not found")
        # What upstream cannot import here, a port may be able to.
        if outcome == "ok" and now != "ok":
            yield f"{module}: cannot be imported: {now}"
    for module, names in sorted(upstream["names"].items()):
        have = ported["names"].get(module, {})
        for name, parameters in sorted(names.items()) if module in ported["names"] else ():
            if name not in have:
                yield f"{module}.{name}: is gone"
            else:
                lost = [parameter for parameter in parameters if parameter not in have[name]]
                yield from (f"{module}.{name}: lost the parameter {p}" for p in lost)


def _behaviour_problems(upstream: Answers, ported: Answers) -> Iterator[str]:
    for question, answer in sorted(_answered(upstream).items()):
        now = ported.get(question)
        if not _same(answer, now):
            yield f"{question}: upstream answers {_short(answer)}, the port {_short(now)}"


def _answered(answers: Answers) -> dict[str, Any]:
    """The questions that upstream can answer there; what it cannot, a port may be able to."""
    return {
        name: answer
        for name, answer in answers.items()
        if not (isinstance(answer, dict) and "error" in answer)
    }


def _same(upstream: object, ported: object) -> bool:
    """Whether two answers agree in all that upstream has; a port may add a device to a list."""
    if isinstance(upstream, dict) and isinstance(ported, dict):
        return all(ported.get(name) == answer for name, answer in upstream.items())
    return upstream == ported


def _device_problems(sides: Sides) -> Iterator[str]:
    pairs = (
        (sides.upstream, sides.ported, "without the plugin"),
        (sides.upstream_chip, sides.chip, "beside the plugin"),
    )
    for upstream, ported, place in pairs:
        # Whichever module is the one that upstream calls it from.
        before = {_call(entry) for entry in upstream["initialised"]}
        for entry in ported["initialised"]:
            if _call(entry) not in before:
                yield f"importing {entry}, {place}"
    for module, outcome in sorted(sides.ported["modules"].items()):
        beside = sides.chip["modules"].get(module, "not found")
        if outcome == "ok" and beside not in ("ok", sides.upstream_chip["modules"].get(module)):
            yield f"{module}: cannot be imported beside the plugin: {beside}"


def _call(entry: str) -> str:
    return entry.partition(" calls ")[2]


def _short(answer: object) -> str:
    text = json.dumps(answer)
    return text if len(text) <= 80 else f"{text[:77]}..."
