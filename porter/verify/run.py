"""The table of contents of a verification."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from porter.errors import UsageError
from porter.model import Target
from porter.source import Cache, Progress
from porter.verify.data.dataset import dataset_digest, synthetic_coco
from porter.verify.judging.asked import Asked
from porter.verify.judging.thresholds import thresholds
from porter.verify.judging.verdict import judge
from porter.verify.launch.chip import prepare_chip
from porter.verify.launch.device_ops import chips_own_ops
from porter.verify.launch.interpreter import Interpreter, probe
from porter.verify.launch.job import amp_dtype
from porter.verify.launch.place import Site, check_fit, choose_site
from porter.verify.launch.work import work_folder
from porter.verify.model import Run, Settings, Verification
from porter.verify.models.recipes import Recipe, find_recipe, recipe_of
from porter.verify.ops import build_ops
from porter.verify.ported import default_set, ported_for
from porter.verify.reference import Reference
from porter.verify.request import Request
from porter.verify.sides import Bench
from porter.verify.subject import CANVAS, find_target, knows_canvas, pin_set_of
from porter.verify.trees import Folder, Trees, open_folder, unvouched, upstream_trees
from porter.verify.watch import Watcher

PORTING = "porting"
#: The trait of a chip on which it matters how many shapes an operator meets.
SHAPES_MATTER = "dynamic-shapes-recompile"
#: Upstream trains at least twice: how far two of its own runs are apart is what can be told.
BASELINES = 2


def verify(
    request: Request, cache: Cache, watch: Watcher, progress: Progress | None = None
) -> Verification:
    """Train upstream on the host and the ported tree on the device, and judge.

    Raises:
        CouldNotRun: If there is nothing to judge: something is missing, or upstream itself
            does not train by these settings.
        SourceError: If upstream cannot be had.
        TreeStateError: If the folder is half written.
        UsageError: If the request contradicts itself.
        WriteError: If the disk refuses.
    """
    ground = _prepare(request, cache, watch, progress)
    with work_folder(cache, request.keep) as work:
        baselines, counted, runs = _train(ground, request, cache, work, watch)
    verdict = judge(
        _asked(ground, request),
        baselines,
        runs[0],
        runs[1:],
        limits=thresholds(request.amp, request.limits),
    )
    return Verification(
        target=ground.target.name,
        chip=f"{ground.target.vendor} {ground.target.chip}",
        device=ground.site.device,
        backend=ground.site.backend,
        settings=ground.settings,
        amp=request.amp,
        versions=ground.folder.versions,
        digests=_digests(ground),
        baselines=baselines,
        ported=runs[0],
        repeats=runs[1:],
        verdict=verdict,
        command=request.command,
        notes=tuple(_notes(ground)),
        counted=counted,
    )


@dataclass(frozen=True)
class _Ground:
    """What a verification stands on, before anything is trained."""

    folder: Folder
    target: Target
    interpreter: Interpreter
    site: Site
    upstream: Trees
    ported: Trees
    recipe: Recipe
    settings: Settings
    ops: Path
    made: bool = False


def _prepare(request: Request, cache: Cache, watch: Watcher, progress: Progress | None) -> _Ground:
    """Find out what is there, and make what is missing."""
    into = request.into
    made = request.make and request.target is not None and not into.exists()
    if made and request.target:
        watch.begin(PORTING)
        into = ported_for(
            request.model, request.target, cache, offline=request.offline, progress=progress
        )
        watch.end(PORTING, f"--set {default_set(request.model, request.target)}")
    folder = open_folder(into)
    target = find_target(request.target, request.targets, folder)
    interpreter = probe(request.python, plugin=target.plugin, device=target.device)
    site = choose_site(request.device, target, interpreter)
    check_fit(site, amp=request.amp, nproc=request.ranks.nproc)
    asked = recipe_of(request.model)
    canvas = asked.canvas and knows_canvas(folder)
    upstream = upstream_trees(
        folder,
        cache,
        rules=(*asked.rules, *([CANVAS] if canvas else [])),
        offline=request.offline,
        progress=progress,
    )
    recipe = find_recipe(request.model, upstream.configs, pin_set_of(folder))
    settings = replace(find_settings(request, recipe), canvas=canvas)
    # The chip takes seconds, the operators minutes: what cannot be had is said first.
    prepare_chip(site, interpreter, cache, watch)
    ops = build_ops(upstream.roots["mmcv"], interpreter, cache, watch)
    ported = folder.trees()
    return _Ground(folder, target, interpreter, site, upstream, ported, recipe, settings, ops, made)


def _train(
    ground: _Ground, request: Request, cache: Cache, work: Path, watch: Watcher
) -> tuple[tuple[Run, ...], Run | None, tuple[Run, ...]]:
    """Upstream's runs, the one of them that is counted, and the ported tree's."""
    bench = Bench(
        target=ground.target,
        site=ground.site,
        interpreter=ground.interpreter,
        settings=ground.settings,
        ranks=request.ranks,
        ops=ground.ops,
        device_ops=chips_own_ops(ground.site, ground.ported, ground.interpreter) or ground.ops,
        data=synthetic_coco(cache),
        work=work,
        watch=watch,
        needs=ground.recipe.needs,
    )
    reference = Reference.of(
        ground.settings, ground.upstream, ground.ops, ground.interpreter, cache
    )
    baselines = tuple(
        bench.upstream(ground.upstream, reference, number)
        for number in range(1, max(BASELINES, request.repeat) + 1)
    )
    counts = ground.site.place == "sim" and SHAPES_MATTER in ground.target.traits
    counted = bench.counted(ground.upstream, reference) if counts else None
    runs = _ported_runs(bench, request, ground.ported, reference, baselines[0])
    return baselines, counted, runs


def find_settings(request: Request, recipe: Recipe) -> Settings:
    """What both sides train by: what the user said, else the recipe's, else porter's own.

    Raises:
        UsageError: If a value cannot be used.
    """
    default = Settings(model=request.model, config=recipe.config)
    steps = request.steps or recipe.steps or default.steps
    if request.resume and steps < 2:
        raise UsageError("--resume: needs two steps at least", hint="Raise --steps.")
    if request.resume and request.ranks.nnodes > 1:
        raise UsageError(
            "--resume: only the first of several machines saves a checkpoint",
            hint="Resume with --nnodes 1.",
        )
    return Settings(
        model=request.model,
        config=recipe.config,
        steps=steps,
        batch_size=request.batch_size or recipe.batch_size or default.batch_size,
        image_size=request.image_size or recipe.image_size or default.image_size,
        lr=request.lr if request.lr is not None else recipe.lr,
        seed=request.seed,
        nproc=request.ranks.nproc,
        nnodes=request.ranks.nnodes,
        threads=request.threads,
        eval=request.eval,
        options={**recipe.options, **request.options},
    )


def _ported_runs(
    bench: Bench, request: Request, trees: Trees, reference: Reference, baseline: Run
) -> tuple[Run, ...]:
    if request.resume:
        return (bench.resumed(trees, reference, baseline, amp=request.amp),)
    return tuple(
        bench.ported(trees, reference, baseline, number, amp=request.amp)
        for number in range(1, request.repeat + 1)
    )


def _asked(ground: _Ground, request: Request) -> Asked:
    site = ground.site
    return Asked(
        place=site.place,
        device=site.device,
        backend=site.backend,
        steps=ground.settings.steps,
        ranks=request.ranks.nproc,
        nodes=request.ranks.nnodes,
        node=request.ranks.node_rank,
        devices=site.devices,
        amp=request.amp,
        amp_dtype=amp_dtype(ground.target),
        eval=request.eval,
        tells_memory="peak-memory-statistics" in ground.target.traits,
    )


def _digests(ground: _Ground) -> dict[str, str]:
    found = {f"upstream {name}": digest for name, digest in ground.upstream.digests.items()}
    found |= {f"ported {name}": digest for name, digest in ground.ported.digests.items()}
    found |= {f"target {ground.target.name}": ground.target.digest, "data set": dataset_digest()}
    if ground.folder.manifest:
        found["rules"] = ground.folder.manifest.recipe
    return found


def _notes(ground: _Ground) -> list[str]:
    folder = ground.folder
    notes = [ground.site.note] if ground.site.note else []
    if ground.made:
        versions = ", ".join(f"{name} {version}" for name, version in folder.versions.items())
        notes.append(f"No folder was named: {versions} were ported for this alone.")
    if folder.manifest is None:
        notes.append(
            "porter did not port this folder: upstream's release is what it is held against."
        )
    for package in unvouched(folder):
        notes.append(
            f"porter has no pin of {package} {folder.versions[package]}: the baseline is what the "
            "folder holds, so an edit by hand in it shows on neither side."
        )
    return notes
