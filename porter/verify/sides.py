"""The two sides of a comparison, trained: upstream on the host, the ported tree on the device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from porter.errors import CouldNotRun
from porter.model import Target
from porter.verify.follow import train_and_follow
from porter.verify.launch.interpreter import Interpreter
from porter.verify.launch.job import amp_dtype, checkpoint_name, common_job
from porter.verify.launch.place import Site, site_variables
from porter.verify.launch.process import (
    Launch,
    Ranks,
    host_variables,
    last_lines,
    thread_variables,
)
from porter.verify.model import Failure, Rank, Run, Settings, failures
from porter.verify.records import in_words, joined_run, read_rank
from porter.verify.reference import Reference
from porter.verify.trees import Trees
from porter.verify.watch import Watcher

UPSTREAM = "upstream on the host"
COUNTED = f"{UPSTREAM}, counted"
#: Steps in which upstream's operators are counted: that is slow, and what is to settle has by then.
COUNTED_STEPS = 10


@dataclass(frozen=True)
class Bench:
    """What every training of one verification shares.

    Attributes:
        ops: The folder with mmcv's compiled operators for the host.
        device_ops: The same for the ported tree: the chip's own where it has any.
        data: The root of the COCO folder.
        work: Where processes write.
        needs: What the model needs that porter does not bring; empty for nothing.
    """

    target: Target
    site: Site
    interpreter: Interpreter
    settings: Settings
    ranks: Ranks
    ops: Path
    device_ops: Path
    data: Path
    work: Path
    watch: Watcher
    needs: str = ""

    def upstream(self, trees: Trees, reference: Reference, number: int) -> Run:
        """Upstream's run of that number, trained now or taken from the cache.

        Raises:
            CouldNotRun: If upstream does not train by these settings: nothing can be judged.
        """
        stage = UPSTREAM if number == 1 else f"{UPSTREAM}, run {number}"
        self.watch.begin(stage, self.settings.steps)
        run = reference.run(number, lambda out: self._train_upstream(trees, reference, stage, out))
        self.watch.end(stage, "from the cache" if run.cached else "")
        return run

    def ported(
        self, trees: Trees, reference: Reference, baseline: Run, number: int, *, amp: bool
    ) -> Run:
        """The ported tree's run of that number, from the weights that upstream started from."""
        stage = self._stage(number)
        self.watch.begin(stage, self.settings.steps)
        job = self._ported_job(trees, reference, amp)
        launch = self._launch(job, self.work / f"ported-{number}", self.ranks)
        ranks = self._follow(launch, stage, baseline)
        self.watch.end(stage)
        return self._run(ranks, amp)

    def resumed(self, trees: Trees, reference: Reference, baseline: Run, *, amp: bool) -> Run:
        """The ported tree's run, saved and ended after half its steps and resumed from there."""
        half = self.settings.steps // 2
        stage = f"{self._stage(1)}, resumed after step {half}"
        self.watch.begin(stage, self.settings.steps)
        job = self._ported_job(trees, reference, amp)
        first = self._launch({**job, "stop": half}, self.work / "first-half", self.ranks)
        run = self._run(self._follow(first, stage, baseline), amp)
        if not any(rank.failure for rank in run.ranks):
            # The weights before the first step stay known, to tell how far all steps moved them.
            saved = {**job, "resume": str(first.out / checkpoint_name(half))}
            second = self._launch(saved, self.work / "second-half", self.ranks)
            rest = self._run(self._follow(second, stage, baseline), amp)
            run = joined_run(run, rest, half)
        self.watch.end(stage)
        return run

    def _stage(self, number: int) -> str:
        where = {"sim": "simulated ", "real": "", "cpu": ""}[self.site.place]
        stage = f"ported on {where}{self.site.device}"
        return stage if number == 1 else f"{stage}, run {number}"

    def _run(self, ranks: tuple[Rank, ...], amp: bool) -> Run:
        return Run(self.site.place, self.site.device, amp, ranks)

    def counted(self, trees: Trees, reference: Reference) -> Run:
        """Upstream's first steps once more, with its operators and their shapes counted."""
        steps = min(COUNTED_STEPS, self.settings.steps)
        self.watch.begin(COUNTED, steps)
        more = {"count": True, "steps": steps, "eval": False, "save_weights": ""}
        more["weights"] = str(reference.weights)
        run = reference.run(
            "counted", lambda out: self._train_upstream(trees, reference, COUNTED, out, more)
        )
        self.watch.end(COUNTED, "from the cache" if run.cached else "")
        return run

    def _train_upstream(
        self,
        trees: Trees,
        reference: Reference,
        stage: str,
        out: Path,
        more: Mapping[str, Any] | None = None,
    ) -> Run:
        """All ranks of all machines train here: what they record is the same everywhere."""
        job = common_job(self.settings, trees, self.ops, self.data) | {
            "side": "upstream",
            "device": "cpu",
            "host_only": True,
            "backend": "gloo",
            "save_weights": str(reference.weights),
            **(more or {}),
        }
        launch = self._launch(job, out, Ranks(nproc=self.ranks.world), host=True)
        ranks = self._follow(launch, stage, None)
        _refuse_broken(ranks, launch.log, self.needs)
        return Run("cpu", "cpu", False, ranks)

    def _ported_job(self, trees: Trees, reference: Reference, amp: bool) -> dict[str, Any]:
        site = self.site
        return common_job(self.settings, trees, self.device_ops, self.data) | {
            "side": "ported",
            "device": site.device,
            "host_only": site.place == "cpu",
            "backend": site.backend,
            "weights": str(reference.weights),
            "amp": amp,
            "amp_dtype": amp_dtype(self.target),
            "sim": site.sim.to_json() if site.sim else None,
        }

    def _launch(
        self, job: Mapping[str, Any], out: Path, ranks: Ranks, *, host: bool = False
    ) -> Launch:
        hidden = [self.target.visible_devices]
        place = host_variables(hidden) if host else site_variables(self.site, self.target)
        environment = {**thread_variables(self.settings.threads), **place}
        return Launch(self.interpreter.executable, {**job, "out": str(out)}, ranks, environment)

    def _follow(self, launch: Launch, stage: str, baseline: Run | None) -> tuple[Rank, ...]:
        """Train, tell of each step, and read what was recorded."""
        known = baseline.ranks[launch.ranks.local[0]].steps if baseline else ()
        code = train_and_follow(launch, self.watch, stage, known)
        return tuple(_finished(launch, rank, code) for rank in launch.ranks.local)


def _finished(launch: Launch, rank: int, code: int) -> Rank:
    """What a rank recorded; how it ended, if it could not say so itself."""
    found = read_rank(launch.out, rank)
    if found.end or found.failure:
        return found
    kind = "killed" if code < 0 else "ended"
    how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
    return replace(found, failure=Failure(kind, f"the process ended {how}", last_lines(launch.log)))


def _refuse_broken(ranks: Sequence[Rank], log: Path, needs: str) -> None:
    failure = next((failure for _, failure in failures(ranks)), None)
    if failure:
        missing = f"This model needs {needs}. " if needs else ""
        raise CouldNotRun(
            "upstream itself does not train by these settings: "
            + in_words(failure, last_lines(log)),
            hint=f"{missing}There is nothing to compare the port with; try another model, "
            "--image-size or --batch-size, or `porter doctor`.",
        )
