"""The steps of a port between finding the trees and writing them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from porter.manifest import MANIFEST_PATH, Manifest, digest
from porter.model import Plan, Rule, Skip
from porter.plan import make_plan
from porter.port.changes import Decision, EditPolicy, all_versions, decide
from porter.port.earlier import earlier_files
from porter.port.ground import Ground
from porter.port.ported import PortedFile, check_compiles, ported_files
from porter.port.record import make_manifest, recipe_digest
from porter.port.request import Request
from porter.write import Change, Content, change_tree, read_present, write_tree

_EDITED = "were edited by hand since the port"
_NOT_PRISTINE = "differ from the release, so the tree is neither pristine nor ported"


@dataclass(frozen=True)
class Port:
    """A plan, and all that it makes of the trees it was made of.

    Attributes:
        files: Path relative to the tree -> a file that the plan touches.
    """

    plan: Plan
    files: dict[str, PortedFile]
    manifest: Manifest


def plan_port(request: Request, ground: Ground) -> Port:
    """Plan, unless the same plan was applied before, and make the files' new bytes.

    Raises:
        PlanError: The rules do not hold on the trees, or break a file.
        UnsupportedVersion: No rule is written for a package's version.
        UsageError: ``only`` or ``without`` names no rule.
    """
    plan = _plan(request, ground)
    files = ported_files(plan, lambda package, path: ground.trees[package].read(path))
    if not ground.current:
        check_compiles(files)
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


def _plan(request: Request, ground: Ground) -> Plan:
    if ground.current and ground.manifest:
        return ground.manifest.to_plan()
    plan = make_plan(
        request.rules, request.target, ground.trees, only=request.only, without=request.without
    )
    skips = (*plan.skips, *_skips(request.rules, ground.missing))
    return replace(plan, skips=tuple(sorted(skips, key=lambda skip: (skip.rule, skip.package))))


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
