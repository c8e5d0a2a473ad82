"""The table of contents of a check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from porter.check.files import check_files, check_once, check_revert
from porter.check.model import Result, skipped
from porter.check.running import check_running
from porter.errors import TargetFileError, TreeStateError
from porter.manifest import Manifest, read_manifest
from porter.model import Rule, Target
from porter.port.earlier import check_versions, earlier_files, without_replaced
from porter.port.ground import check_whole
from porter.port.pristine import pristine_trees
from porter.source import Cache, Progress, Tree, find_trees
from porter.source.archive import cached_tree
from porter.source.pins import recorded_pin
from porter.verify.trees import open_folder, upstream_trees


@dataclass(frozen=True)
class Checked:
    """How a ported tree keeps the promises of every port."""

    into: Path
    manifest: Manifest
    results: tuple[Result, ...]

    @property
    def broken(self) -> int:
        """How many promises are broken."""
        return sum(result.state == "broken" for result in self.results)


def check(
    into: Path,
    targets: Mapping[str, Target],
    rules: Sequence[Rule],
    cache: Cache,
    *,
    python: Path | None,
    offline: bool = False,
    progress: Progress | None = None,
) -> Checked:
    """Ask a ported tree for everything that a port promises. Nothing is written to it.

    Args:
        python: The Python to run the trees in; None for not running them.

    Raises:
        TreeStateError: The folder is not ported, or is half written.
        TargetFileError: It was ported to a target that is not known.
        SourceError: Upstream's release, to run beside, cannot be had.
        CouldNotRun: The Python that is to run the trees cannot.
    """
    place = into.expanduser().resolve()
    check_whole(place)
    applied = read_manifest(place)
    if applied is None:
        raise TreeStateError(f"{into} is not ported", hint="`porter apply` ports it.")
    if applied.target not in targets:
        raise TargetFileError(
            f"{into} was ported to {applied.target!r}, a target that is not known",
            hint="Name the folder with its target file with --targets.",
        )
    target = targets[applied.target]
    folders = find_trees(place, sorted(applied.packages))
    manifest = without_replaced(place, applied, folders)
    check_versions(place, manifest, folders)
    assert manifest is not None
    releases = _releases(manifest, cache)
    pristine = pristine_trees(place, folders, manifest, releases)
    results = check_files(place, earlier_files(place, manifest), rules, target)
    results.append(check_once(manifest, dict(folders), rules, target))
    results.append(check_revert(place, manifest, folders, {**pristine, **releases}))
    if python is None:
        results += [
            skipped(n, "--static: nothing is run") for n in ("imports", "behaviour", "device")
        ]
    else:
        folder = open_folder(place, sorted(manifest.packages))
        upstream = upstream_trees(folder, cache, offline=offline, progress=progress)
        results += check_running(python, target, upstream, folder.trees())
    return Checked(into, manifest, tuple(results))


def _releases(manifest: Manifest, cache: Cache) -> dict[str, Tree]:
    """The pinned releases of the packages, of those that the cache has."""
    found: dict[str, Tree] = {}
    for package, record in manifest.packages.items():
        pin = recorded_pin(package, record.version)
        release = cached_tree(pin, cache) if pin and record.sha256 == pin.sha256 else None
        if release:
            found[package] = release
    return found
