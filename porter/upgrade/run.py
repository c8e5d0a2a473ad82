"""The table of contents of an upgrade."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from porter.manifest import MANIFEST_PATH, Manifest, digest
from porter.model import Plan
from porter.port.ground import usable_folder
from porter.port.planned import planned
from porter.port.ported import PortedFile
from porter.port.record import make_manifest, recipe_digest
from porter.source import Cache, Progress
from porter.upgrade.carry import Carried, carry, changes, emptied_folders, file_versions
from porter.upgrade.compare import compare_ports
from porter.upgrade.conflicts import folder_of, remove, resolutions, write_conflicts
from porter.upgrade.ground import Ground, find_ground
from porter.upgrade.model import Upgraded, UpgradeRequest
from porter.write import Change, change_tree, read_present, recover
from porter.write.lock import tree_lock


@dataclass(frozen=True)
class _Port:
    plan: Plan
    manifest: Manifest
    files: dict[str, PortedFile]


def upgrade(request: UpgradeRequest, cache: Cache, progress: Progress | None = None) -> Upgraded:
    """Move a ported tree to other releases: all of it, with the edits by hand, or nothing.

    Raises:
        PlanError: The rules do not hold on the new releases.
        SourceError: A release cannot be had.
        TreeStateError: The folder is in no state to be upgraded.
        UnsupportedVersion: No pin, or no rule, for a version.
        UsageError: The request contradicts itself.
        WriteError: The disk refused; the tree is as it was.
    """
    into = usable_folder(request.into)
    folder = folder_of(into, request.conflicts)
    if request.dry_run:
        return _upgrade(request, into, folder, cache, progress)
    with tree_lock(into):
        finished = recover(into) if into.exists() else False
        return replace(_upgrade(request, into, folder, cache, progress), finished=finished)


def _upgrade(
    request: UpgradeRequest, into: Path, folder: Path, cache: Cache, progress: Progress | None
) -> Upgraded:
    ground = find_ground(request, into, cache, progress)
    port = _plan(request, ground, cache)
    carried = carry(file_versions(ground, port.manifest, port.files))
    resolved = _resolve(carried, folder)
    made = _changes(carried, ground, port.manifest)
    rules, same = compare_ports(ground.manifest, port.manifest)
    if not request.dry_run:
        if carried.conflicts:
            write_conflicts(folder, carried.conflicts)
        elif made:
            _write(ground, port, made)
            remove(folder)
    status = "planned" if request.dry_run or carried.conflicts else "upgraded"
    return Upgraded(
        status="unchanged" if not (made or carried.conflicts) else status,  # type: ignore[arg-type]
        target=ground.target.name,
        before=ground.manifest.pins,
        after=port.manifest.pins,
        plan=port.plan,
        rules=tuple(rules),
        same=same,
        written=sum(change.path != MANIFEST_PATH for change in made),
        carried=tuple(sorted(carried.merged)),
        resolved=tuple(sorted(resolved)),
        conflicts=tuple(carried.conflicts),
        folder=folder,
    )


def _plan(request: UpgradeRequest, ground: Ground, cache: Cache) -> _Port:
    only, without = ground.manifest.only, ground.manifest.without
    plan, files = planned(
        request.rules, ground.target, ground.new, cache, only=only, without=without
    )
    recipe = recipe_digest(request.rules, only, without)
    manifest = make_manifest(plan, files, ground.new, ground.records, recipe, only, without)
    located = {manifest.location(file.package, file.path): file for file in files}
    return _Port(plan, manifest, located)


def _resolve(carried: Carried, folder: Path) -> list[str]:
    """Use what somebody made of conflicts; those that are left stay."""
    found = resolutions(folder, carried.conflicts) if carried.conflicts else {}
    left = []
    for conflict in carried.conflicts:
        if conflict.path in found:
            carried.resolved(conflict, found[conflict.path])
        else:
            left.append(conflict)
    carried.conflicts = left
    return list(found)


def _changes(carried: Carried, ground: Ground, manifest: Manifest) -> list[Change]:
    made = changes(carried, ground, manifest)
    present = read_present(ground.into, MANIFEST_PATH)
    wanted = manifest.to_json().encode()
    # It comes last: a manifest that is there tells the truth.
    return [*made, *([Change(MANIFEST_PATH, present, wanted)] if present != wanted else [])]


def _write(ground: Ground, port: _Port, made: list[Change]) -> None:
    pristine = [file.pristine for file in port.files.values() if file.pristine is not None]
    kept = {digest(data): data for data in pristine}
    gone = set(ground.manifest.folders) - set(port.manifest.folders)
    change_tree(ground.into, made, kept=kept, folders=sorted(gone | emptied_folders(made)))
