"""Reference and ported packages side by side, to be imported by a child of each."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from porter.model import Edit
from porter.plan import make_plan
from porter.plan.splice import splice
from porter.source import fetch
from porter.source.cache import Cache
from porter.source.pins import known_pin
from tests.helpers import all_rules, all_targets

ROOT = Path(__file__).parents[2]
#: mmdet's version -> what it runs with.
PINS: Mapping[str, Mapping[str, str]] = {
    "2.10.0": {"mmcv": "1.2.7"},
    "2.11.0": {"mmcv": "1.2.7"},
    "3.3.0": {"mmcv": "2.1.0", "mmengine": "0.10.5"},
}


def written(folder: Path, cache: Path, target: str, mmdet: str) -> Path:
    """A folder to import the packages from, as porter makes them for a target.

    Args:
        target: ``cpu`` for the reference: upstream, able to run on today's Python and torch.
        mmdet: A version among ``PINS``.
    """
    pins = [known_pin(*pin) for pin in {**PINS[mmdet], "mmdet": mmdet}.items()]
    trees = {tree.package: tree for tree in fetch(pins, Cache(cache))}
    # Both sides have the plugins that the port asks for: what they train must be the same.
    asking = replace(all_targets()[target], ask=all_targets()["npu"].ask)
    plan = make_plan(all_rules(), asking, trees, jobs=1)
    edits: dict[tuple[str, str], list[Edit]] = defaultdict(list)
    for edit in plan.edits:
        edits[edit.package, edit.path].append(edit)
    for package, tree in trees.items():
        for path in tree.paths():
            if path.startswith(f"{package}/") and path.endswith((".py", ".json")):
                _write(folder / path, splice(tree.read(path), edits[package, path]))
    for new in plan.new_files:
        _write(folder / new.path, new.content)
    return folder


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def asked(probe: Path, packages: Path, question: str, out: Path, cache: Path) -> Path:
    """What a probe writes, run in a Python of its own with some packages, and porter, on the path.

    Args:
        cache: Where the simulated chip is kept.
    """
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(packages), str(ROOT)]),
        "PORTER_CACHE": str(cache),
        "PYTHONWARNINGS": "ignore",
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, str(probe), question, str(out)]
    done = subprocess.run(command, env=environment, cwd=out.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out


class Sides:
    """Upstream and the port of one version of mmdet, and a probe to ask both with."""

    def __init__(self, probe: Path, version: str, cache: Path, folder: Path) -> None:
        self.probe, self.version, self.cache, self.folder = probe, version, cache, folder
        self.packages = {
            target: written(folder / target, cache, target, version) for target in ("cpu", "npu")
        }

    def ask(self, target: str, question: str) -> Path:
        out = self.folder / f"{target}-{question}"
        return asked(self.probe, self.packages[target], question, out, self.cache)

    def computed(self, target: str) -> dict[str, Any]:
        """What it answers to ``equal``."""
        import torch

        found: dict[str, Any] = torch.load(self.ask(target, "equal"))
        return found
