"""The steps of a port between finding the trees and writing them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from porter.manifest import MANIFEST_PATH, Manifest, digest
from porter.model import Plan, Rule, Skip
from porter.port.changes import Decision, EditPolicy, all_versions, decide
from porter.port.earlier import earlier_files
from porter.port.ground import Ground
from porter.port.planned import Planned, planned
from porter.port.ported import PortedFile, ported_files
from porter.port.record import make_manifest, recipe_digest
from porter.port.request import Request
from porter.source import Cache
from porter.write import Change, Content, change_tree, read_present, write_tree

_EDITED = "edited by hand since the port"
_NOT_PRISTINE = "unlike the release, so the tree is neither pristine nor ported"


@dataclass(frozen=True)
class Port:
    """A plan, and all that it makes of the trees it was made of.

    Attributes:
        files: Path relative to the tree -> a file that the plan touches.
    """

    plan: Plan
    files: dict[str, PortedFile]
    manifest: Manifest


def plan_port(request: Request, ground: Ground, cache: Cache) -> Port:
    """Plan, unless the same plan was applied before, and make the files' new bytes.

    Args:
        cache: Where plans are kept, and found again.

    Raises:
        PlanError: The rules do not hold on the trees, or break a file.
        UnsupportedVersion: No rule is written for a package's version.
        UsageError: ``only`` or ``without`` names no rule.
    """
    plan, files = _applied(ground) or _planned(request, ground, cache)
    recipe = recipe_digest(request.rules, request.only, request.without)
    manifest = make_manifest(
        plan, files, ground.trees, ground.packages, recipe, request.only, request.without
    )
    located = {manifest.location(file.package, file.path): file for file in files}
    return Port(plan, located, manifest)


def decide_port(port: Port, ground: Ground, policy: EditPolicy) -> Decision:
    """What of a port is to be written, if edits by hand are treated as the policy says.

    Raises:
        TreeStateError: Edits could be lost, or cannot be merged; names every file.
    """
    if ground.fresh:
        return Decision((), (), whole=True)
    if not (ground.trees or ground.manifest):
        return Decision((), ())  # not one of the packages is there: no manifest of nothing
    versions = all_versions(ground.into, earlier_files(ground.into, ground.manifest), port.files)
    edited = _EDITED if ground.manifest else _NOT_PRISTINE
    decision = decide(ground.into, versions, policy, edited)
    present = read_present(ground.into, MANIFEST_PATH)
    wanted = port.manifest.to_json().encode()
    if present != wanted:
        # It comes last: a manifest that is there tells the truth.
        last = Change(MANIFEST_PATH, present, wanted)
        decision = replace(decision, changes=(*decision.changes, last))
    return decision


def write_port(port: Port, ground: Ground, decision: Decision) -> None:
    """Write what was decided.

    Raises:
        TreeStateError: Another porter is at work on the tree, or a file has just changed.
        WriteError: The disk refused; the tree is as it was.
    """
    pristine = [file.pristine for file in port.files.values() if file.pristine is not None]
    kept = {digest(data): data for data in pristine}
    if ground.fresh:
        manifest = port.manifest.to_json().encode()
        write_tree(ground.into, _contents(port, ground), manifest, kept)
    elif decision.changes:
        earlier = ground.manifest.folders if ground.manifest else ()
        gone = sorted(set(earlier) - set(port.manifest.folders))
        change_tree(ground.into, decision.changes, kept=kept, folders=gone)


def _applied(ground: Ground) -> Planned | None:
    """What was applied before, if that is what is asked for."""
    if not (ground.current and ground.manifest):
        return None
    plan = ground.manifest.to_plan()
    return plan, ported_files(plan, lambda package, path: ground.trees[package].read(path))


def _planned(request: Request, ground: Ground, cache: Cache) -> Planned:
    rules, trees = request.rules, ground.trees
    plan, files = planned(
        rules, request.target, trees, cache, only=request.only, without=request.without
    )
    skips = (*plan.skips, *_skips(rules, ground.missing))
    skips = tuple(sorted(skips, key=lambda skip: (skip.rule, skip.package)))
    return replace(plan, skips=skips), files


def _skips(rules: Sequence[Rule], missing: Iterable[str]) -> Iterator[Skip]:
    for package in missing:
        for rule in rules:
            if package in rule.packages:
                yield Skip(rule.id, package, f"{package} is not in the folder")


def _contents(port: Port, ground: Ground) -> Iterator[Content]:
    """Every file of a whole tree."""
    for package, tree in ground.trees.items():
        for path in tree.paths():
            place = port.manifest.location(package, path)
            file = port.files.get(place)
            yield Content(place, file.ported if file else tree.read(path), tree.mode(path))
    for place, file in port.files.items():
        if file.pristine is None:
            yield Content(place, file.ported)
