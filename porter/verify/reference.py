"""Upstream's run on the host: made once for what it depends on, then taken from the cache."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import porter.training
from porter.source import Cache
from porter.verify.data.dataset import dataset_digest
from porter.verify.launch.interpreter import Interpreter
from porter.verify.model import Rank, Run, Settings
from porter.verify.records import read_rank
from porter.verify.trees import OWN_CONFIGS, Trees

#: Runs kept; each holds the initial weights, some 50 MB of a small detector.
KEPT_RUNS = 16
WEIGHTS = "initial.pth"


@dataclass(frozen=True)
class Reference:
    """A place in the cache for the runs of upstream that share all they depend on.

    Attributes:
        world: Ranks of each run.
    """

    folder: Path
    cache: Cache
    world: int = 1

    @classmethod
    def of(
        cls, settings: Settings, trees: Trees, ops: Path, interpreter: Interpreter, cache: Cache
    ) -> Reference:
        """The place of the runs by these settings, in this environment."""
        known: dict[str, object] = {
            "settings": {**asdict(settings), "options": dict(settings.options)},
            "trees": dict(trees.digests),
            "ops": ops.name,
            "data": dataset_digest(),
            "torch": [interpreter.torch, str(interpreter.torch_folder)],
            "python": interpreter.python,
            "training": training_digest(),
            "configs": own_configs_digest() if "mmengine" not in trees.digests else "",
        }
        if Path(settings.config).is_absolute():
            # A config of the user's own, with bases that nobody listed: never the same again.
            known["config"] = secrets.token_hex()
        text = json.dumps(known, sort_keys=True)
        name = hashlib.sha256(text.encode()).hexdigest()[:24]
        return cls(cache.root / "runs" / name, cache, settings.nproc * settings.nnodes)

    @property
    def weights(self) -> Path:
        """The initial weights that all runs start from."""
        return self.folder / WEIGHTS

    def run(self, number: int | str, make: Callable[[Path], Run]) -> Run:
        """The run of that number or name, made now if there is none.

        Args:
            make: Trains, writing to the folder it is given, and says what came of it.

        Returns:
            The run; one that did not come to its end is not kept.
        """
        place = self.folder / f"run-{number}"
        with self.cache.lock(f"run-{self.folder.name}"):
            if place.is_dir():
                os.utime(self.folder)
                return Run("cpu", "cpu", False, self._ranks(place), cached=True)
            part = self._fresh(place)
            made = make(part)
            if all(rank.end for rank in made.ranks):
                self._keep(part, place)
        return made

    def _ranks(self, place: Path) -> tuple[Rank, ...]:
        return tuple(read_rank(place, rank) for rank in range(self.world))

    def _fresh(self, place: Path) -> Path:
        part = place.with_name(f"{place.name}.part")
        with self.cache.writing():
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
        return part

    def _keep(self, part: Path, place: Path) -> None:
        with self.cache.writing():
            part.rename(place)
            sweep(self.folder.parent)


def sweep(runs: Path) -> None:
    """Delete the runs that were longest unused, but for the newest ``KEPT_RUNS``."""
    newest_first = sorted(runs.iterdir(), key=lambda folder: folder.stat().st_mtime, reverse=True)
    for folder in newest_first[KEPT_RUNS:]:
        shutil.rmtree(folder, ignore_errors=True)


def training_digest() -> str:
    """sha256 over porter's own code that trains, hex."""
    return _digest(Path(porter.training.__file__).parent)


def own_configs_digest() -> str:
    """sha256 over porter's own configs, hex."""
    return _digest(OWN_CONFIGS)


def _digest(folder: Path) -> str:
    whole = hashlib.sha256()
    for file in sorted(folder.rglob("*.py")):
        whole.update(
            file.relative_to(folder).as_posix().encode() + b"\0" + file.read_bytes() + b"\0"
        )
    return whole.hexdigest()
