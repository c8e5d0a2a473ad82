"""Small jobs on a ported tree, beside training: a picture to detect in, a model to export.

Each runs in the chip's own Python, in a folder that is deleted afterwards; what it makes is
moved to where the user wants it when it is whole.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from porter.errors import CouldNotRun, UsageError, WriteError
from porter.model import Target
from porter.source import Cache
from porter.verify.launch.chip import prepare_chip
from porter.verify.launch.device_ops import chips_own_ops
from porter.verify.launch.interpreter import Interpreter, probe
from porter.verify.launch.job import FORMAT
from porter.verify.launch.place import Site, choose_site, site_variables
from porter.verify.launch.process import Launch, last_lines, train
from porter.verify.models.recipes import Recipe, find_recipe
from porter.verify.ops import build_ops
from porter.verify.records import REFUSAL, record_path
from porter.verify.request import Device
from porter.verify.subject import find_target, pin_set_of
from porter.verify.trees import Folder, Trees, open_folder
from porter.verify.watch import Watcher
from porter.write.durable import write_atomically


@dataclass(frozen=True)
class Errand:
    """On what to do it.

    Attributes:
        model: An alias, or an mmdet config's name or path.
        into: The folder with the ported packages.
        target: None for the one that the folder's manifest names.
        checkpoint: The weights; None for random ones.
    """

    model: str
    into: Path
    targets: Mapping[str, Target]
    target: Target | None
    device: Device
    python: Path
    checkpoint: Path | None


@dataclass(frozen=True)
class Ground:
    """What there is to do it with."""

    folder: Folder
    trees: Trees
    target: Target
    interpreter: Interpreter
    site: Site
    recipe: Recipe
    ops: Path


Gate = Callable[[Folder, Interpreter], None]


def prepare(errand: Errand, cache: Cache, watch: Watcher, gate: Gate | None = None) -> Ground:
    """Find out what is there, and make what is missing.

    Args:
        gate: Refuses, before anything is compiled, a folder or a Python that will not do.

    Raises:
        CouldNotRun: If something is missing.
        UsageError: If the model or the chip is not known.
    """
    folder = open_folder(errand.into)
    target = find_target(errand.target, errand.targets, folder)
    interpreter = probe(errand.python, plugin=target.plugin, device=target.device)
    site = choose_site(errand.device, target, interpreter)
    if gate:
        gate(folder, interpreter)
    trees = folder.trees()
    recipe = find_recipe(errand.model, trees.configs, pin_set_of(folder))
    prepare_chip(site, interpreter, cache, watch)
    ops = chips_own_ops(site, trees, interpreter) or build_ops(
        trees.roots["mmcv"], interpreter, cache, watch
    )
    return Ground(folder, trees, target, interpreter, site, recipe, ops)


def run_errand(
    ground: Ground, errand: Errand, own: Mapping[str, Any], work: Path, watch: Watcher, stage: str
) -> Mapping[str, Any]:
    """Do it in a process of its own.

    Args:
        own: The keys of the job that only this kind of job has, ``task`` among them.
        work: Where the process writes.

    Returns:
        What it found.

    Raises:
        CouldNotRun: If it failed.
    """
    launch = Launch(
        ground.interpreter.executable,
        {**_job(ground, errand), **own, "out": str(work)},
        environment=site_variables(ground.site, ground.target),
    )
    watch.begin(stage)
    code = train(launch, lambda: None)
    found, failure = _read(record_path(launch.out, 0))
    if code or found is None:
        raise _failed(f"{stage} with {errand.model}", launch, code, failure, ground.recipe.needs)
    watch.end(stage)
    return found


def _job(ground: Ground, errand: Errand) -> dict[str, Any]:
    site = ground.site
    return {
        "format": FORMAT,
        "trees": {name: str(root) for name, root in ground.trees.roots.items()},
        "ops": str(ground.ops),
        "config": str(ground.trees.config(ground.recipe.config)),
        "data": "",
        "side": "ported",
        "device": site.device,
        "sim": site.sim.to_json() if site.sim else None,
        "host_only": site.place == "cpu",
        "backend": site.backend,
        "threads": 0,
        "checkpoint": str(errand.checkpoint.absolute()) if errand.checkpoint else "",
    }


def _read(record: Path) -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]:
    """What was found, and how it failed; each None if the record has none."""
    if not record.is_file():
        return None, None
    kinds: dict[str, Mapping[str, Any]] = {}
    for line in record.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.endswith("\n"):  # one without an end was torn when the process was killed
            entry = json.loads(line)
            kinds[entry["kind"]] = entry
    return kinds.get("found"), kinds.get("failure")


def _failed(
    what: str, launch: Launch, code: int, failure: Mapping[str, Any] | None, needs: str
) -> CouldNotRun:
    missing = f"This model needs {needs}." if needs else ""
    if failure and failure["error"] == REFUSAL:
        return CouldNotRun(failure["message"], hint=missing)
    if failure:
        said = f"{failure['error']}: {failure['message']}\n{failure['trace']}".rstrip()
    else:
        said = last_lines(launch.log)
    return CouldNotRun(f"{what} ended with exit code {code}: {said}", hint=missing)


def check_out(out: Path, suffixes: Sequence[str]) -> None:
    """Refuse, before any work, a file that cannot be written.

    Raises:
        UsageError: If its suffix is none of those, it is a folder, or its folder is missing.
    """
    if out.suffix.lower() not in suffixes:
        raise UsageError(
            f"--out {out}: not a kind of file that is written here",
            hint=f"End its name in {' or '.join(suffixes)}.",
        )
    if out.is_dir():
        raise UsageError(f"--out {out}: that is a folder", hint="Name a file in it.")
    if not out.absolute().parent.is_dir():
        raise UsageError(f"--out {out}: there is no folder {out.parent}", hint="Make it first.")


def hand_over(made: Path, out: Path) -> None:
    """Put what was made in its place, whole or not at all.

    Raises:
        WriteError: If the disk refuses.
    """
    draft = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        write_atomically(out, made.read_bytes(), draft)
    except OSError as problem:
        draft.unlink(missing_ok=True)
        raise WriteError(
            f"--out {out}: {problem.strerror or problem}", hint="Name another file with --out."
        ) from problem
