"""What a machine has for ``porter verify``: where it would train, and what is to be installed."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from porter.errors import CouldNotRun
from porter.model import Target
from porter.source.cache import Cache
from porter.training.probe import INSTALLED, MODULES
from porter.verify.launch.host import Fact, host_facts
from porter.verify.launch.interpreter import OLDEST_TORCH, Interpreter, survey, torch_is_new_enough
from porter.verify.launch.place import can_be_simulated, missing_chip
from porter.verify.model import Place

#: What mmengine, mmcv and mmdet import beside torch when a detector is trained.
NEEDED = (
    *("numpy", "cv2", "pycocotools", "addict", "yapf", "yaml", "termcolor", "terminaltables"),
    *("shapely", "scipy", "matplotlib", "rich", "packaging"),
)
#: What porter imports where it simulates a chip.
NEEDED_TO_SIMULATE = ("packaging", "platformdirs", "filelock")
OLDEST_PYTHON_TO_SIMULATE = "3.10"
OLDEST_TORCH_TO_SIMULATE = "2.1"


@dataclass(frozen=True)
class Way:
    """A place to train the ported tree.

    Attributes:
        problem: Why not; empty if it can be had.
        detail: What there is; empty for nothing worth saying.
    """

    place: Place
    problem: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """What the doctor found.

    Attributes:
        target: The chip's name; empty if none was asked about.
        ways: Of the chip, the simulated one and the host, those that were asked about.
        chosen: Which of them ``porter verify`` would take; None if nothing is known of a chip.
        remedies: Commands to type, or what to do, in order.
    """

    target: str
    facts: tuple[Fact, ...]
    ways: tuple[Way, ...]
    chosen: Place | None
    remedies: tuple[str, ...]

    @property
    def ready(self) -> bool:
        """Whether a verification could run."""
        if any(fact.state == "bad" for fact in self.facts):
            return False
        open_ways = {way.place for way in self.ways if not way.problem}
        return self.chosen in open_ways if self.chosen else bool(open_ways)


def diagnose(python: Path, cache: Cache, target: Target | None = None) -> Diagnosis:
    """Look at a Python, at this machine and at the cache.

    Args:
        target: The chip to ask for; its plugin is imported in that Python.
    """
    facts, remedies = host_facts(cache)
    name = target.name if target else ""
    try:
        found = survey(
            python,
            plugin=target.plugin if target else "",
            device=target.device if target else "",
            importing=True,
        )
    except CouldNotRun as problem:
        lost = Fact("Python", problem.message, "bad")
        return Diagnosis(name, (lost, *facts), (), None, (problem.hint, *remedies))
    facts = [*_python_facts(found), *facts]
    ways = _ways(found, target)
    remedies = [*_remedies(found, ways), *remedies]
    return Diagnosis(name, tuple(facts), ways, _chosen(target, ways), tuple(remedies))


def _python_facts(found: Interpreter) -> list[Fact]:
    headers = f"in {found.python_include}" if found.has_headers else "not there"
    return [
        Fact("Python", f"{found.python}, {found.executable}"),
        _torch(found),
        _modules(found),
        *_installed(found),
        Fact("Python.h", headers, "good" if found.has_headers else "bad"),
    ]


def _modules(found: Interpreter) -> Fact:
    absent = [module for module in found.missing(NEEDED) if not module.folder]
    broken = [module for module in found.missing(NEEDED) if module.folder]
    whole = len(NEEDED) - len(absent) - len(broken)
    lines = [f"{whole} of the {len(NEEDED)} that mmdet imports"]
    if absent:
        lines.append(f"not installed: {', '.join(module.name for module in absent)}")
    lines += [f"{module.name} fails: {module.problem}" for module in broken]
    return Fact("Modules", "\n".join(lines), "bad" if absent or broken else "good")


def _installed(found: Interpreter) -> list[Fact]:
    """mm packages that the Python has already; a verification takes those it is given."""
    there = [found.modules[name] for name in INSTALLED if not found.modules[name].problem]
    words = [f"{module.name} {module.version} in {module.folder}" for module in there]
    words.append("a verification takes those of the folder to verify instead")
    return [Fact("Installed", "\n".join(words))] if there else []


def _torch(found: Interpreter) -> Fact:
    if found.torch_problem:
        return Fact("torch", found.torch_problem, "bad")
    if not torch_is_new_enough(found.torch):
        return Fact("torch", f"{found.torch}: older than {OLDEST_TORCH}", "bad")
    kind = "with CUDA" if found.cuda else "without CUDA"
    return Fact("torch", f"{found.torch}, {kind}, {found.threads} threads")


def _ways(found: Interpreter, target: Target | None) -> tuple[Way, ...]:
    """The places in the order in which ``--device auto`` tries them."""
    host = Way("cpu", _unfit(found))
    if target is None or host.problem:
        return (Way("sim", host.problem or _unfit_to_simulate(found)), host)
    real = Way("real", missing_chip(target, found), _chip_words(found))
    if not can_be_simulated(target):
        problem = f"the device {target.device!r} is PyTorch's own, and no plugin's"
    elif not real.problem:
        problem = "the chip itself is there"
    else:
        problem = _unfit_to_simulate(found)
    return (real, Way("sim", problem), host)


def _unfit(found: Interpreter) -> str:
    """Why nothing can be trained there at all."""
    if found.torch_problem:
        return "there is no torch"
    return "" if torch_is_new_enough(found.torch) else f"torch {found.torch} is too old"


def _chip_words(found: Interpreter) -> str:
    chip = found.chip
    plugin = f"{chip.plugin} {chip.plugin_version}".strip()
    devices = f"{chip.count} {'device' if chip.count == 1 else 'devices'}"
    return ", ".join(word for word in (devices, chip.name, plugin) if word) if chip.count else ""


def _unfit_to_simulate(found: Interpreter) -> str:
    if Version(found.python) < Version(OLDEST_PYTHON_TO_SIMULATE):
        return f"it takes Python {OLDEST_PYTHON_TO_SIMULATE}, and this one is {found.python}"
    if not torch_is_new_enough(found.torch, OLDEST_TORCH_TO_SIMULATE):
        return f"it takes torch {OLDEST_TORCH_TO_SIMULATE}, and this one is {found.torch}"
    missing = [module.name for module in found.missing(_needed_to_simulate(found))]
    return f"porter needs {', '.join(missing)} there" if missing else ""


def _needed_to_simulate(found: Interpreter) -> Sequence[str]:
    older = Version(found.python) < Version("3.11")
    return (*NEEDED_TO_SIMULATE, "tomli") if older else NEEDED_TO_SIMULATE


def _chosen(target: Target | None, ways: Sequence[Way]) -> Place | None:
    """What ``--device auto`` takes: the simulated chip too if it cannot run here."""
    if target is None:
        return None
    if ways[0].place == "real" and not ways[0].problem:
        return "real"
    return "sim" if can_be_simulated(target) else "cpu"


def _remedies(found: Interpreter, ways: Sequence[Way]) -> list[str]:
    pip = f"{shlex.quote(str(found.executable))} -m pip install"
    remedies = []
    if _unfit(found):
        remedies.append(f"{pip} torch  # a CPU build is enough: pytorch.org tells its index")
    absent = [*found.missing(NEEDED)]
    if any(way.place == "sim" and way.problem.startswith("porter needs") for way in ways):
        absent += found.missing(_needed_to_simulate(found))
    names = dict.fromkeys(MODULES[module.name][0] for module in absent)
    if names:
        remedies.append(f"{pip} {' '.join(names)}")
    if not found.has_headers:
        remedies.append("apt-get install python3-dev  # or python3-devel: the headers of Python")
    return remedies
