"""``porter preflight``: what a config needs of a chip, before any time on one is spent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path, PurePosixPath

import click

from porter.audit.facts import facts_of
from porter.audit.preflight.run import preflight
from porter.cli.audit import FINDINGS
from porter.cli.options import (
    FOLDER,
    Catalog,
    Origin,
    Pins,
    catalog_options,
    json_option,
    origin_options,
    pin_options,
    target_option,
)
from porter.errors import UsageError
from porter.manifest import FileRecord, Manifest, PackageRecord, read_manifest
from porter.model import Target
from porter.port.planned import planned
from porter.port.ported import PortedFile
from porter.port.record import make_manifest
from porter.render.blocks import show
from porter.render.machine import dumps
from porter.render.preflight import preflight_blocks, preflight_document
from porter.render.progress import shown_progress
from porter.sim.spec import read_profile
from porter.source import Cache, Tree, fetch, find_trees
from porter.verify.models.recipes import known_models

_PACKAGES = ("mmengine", "mmcv", "mmdet")


@click.command()
@click.argument("config")
@target_option
@click.option(
    "--into",
    type=FOLDER,
    metavar="DIR",
    help="Look at the packages in this folder, and not at the target's pins, ported.",
)
@pin_options
@origin_options
@catalog_options
@json_option
def command(
    config: str,
    target_name: str,
    into: Path | None,
    pins: Pins,
    source: Origin,
    catalog: Catalog,
    as_json: bool,
) -> None:
    """Tell which operators a config needs, and where each would run.

    CONFIG is an alias (`porter models list`), or the name or path of a config. Nothing is
    run and nothing imported: the config's classes are read, their bases and what they call.
    Where an operator is missing, or known to be wrong, the exit code is 23.

    \b
      porter preflight reppoints --target sdaa
      porter preflight my_config.py --target npu --into ./vendor
    """
    target = catalog.target(target_name)
    rules = catalog.load_rules()
    if into is not None:
        trees: Mapping[str, Tree] = _present(into)
        manifest = read_manifest(into)
    else:
        wanted = [source.pin(*item) for item in pins.versions(target).items()]
        with shown_progress(silent=as_json) as progress:
            fetched = fetch(wanted, Cache(), progress=progress, **source.arguments())
        pristine = {tree.package: tree for tree in fetched}
        plan, files = planned(rules, target, pristine, Cache())
        places = {name: PackageRecord(tree.version, name, "") for name, tree in pristine.items()}
        manifest = make_manifest(plan, files, pristine, places, "")
        trees = {name: PortedTree(tree, _of(files, name)) for name, tree in pristine.items()}
    name = _config_path(config, trees, pins)
    facts = facts_of(target, rules, manifest, "mmengine" in trees, trees.get("mmcv"))
    found = preflight(
        name, lambda path: _read(path, trees), trees, facts, _records(manifest), _lacking(target)
    )
    if as_json:
        click.echo(dumps(preflight_document(found)))
    else:
        show(preflight_blocks(found))
    if not found.ready:
        raise click.exceptions.Exit(FINDINGS)


@dataclass(frozen=True)
class PortedTree:
    """A release as a port would leave it."""

    release: Tree
    files: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def package(self) -> str:
        """The package's name."""
        return self.release.package

    @property
    def version(self) -> str:
        """The package's version."""
        return self.release.version

    def paths(self) -> Sequence[str]:
        """The paths of the files, the added ones among them, sorted."""
        return sorted({*self.release.paths(), *self.files})

    def read(self, path: str) -> bytes:
        """The bytes of a file, ported; ``KeyError`` if there is none."""
        return self.files[path] if path in self.files else self.release.read(path)

    def mode(self, path: str) -> int:
        """The permission bits of a file."""
        return 0o644 if path in self.files else self.release.mode(path)


def _of(files: Sequence[PortedFile], package: str) -> dict[str, bytes]:
    return {file.path: file.ported for file in files if file.package == package}


def _present(into: Path) -> Mapping[str, Tree]:
    found = find_trees(into.expanduser().resolve(), _PACKAGES)
    if "mmcv" not in found or "mmdet" not in found:
        raise UsageError(
            f"--into {into}: a preflight reads mmcv and mmdet, and they are not both there",
            hint="Name a ported folder, or leave --into away for the target's pins.",
        )
    return found


def _records(manifest: Manifest | None) -> dict[tuple[str, str], FileRecord]:
    return {(f.package, f.path): f for f in manifest.files} if manifest else {}


def _lacking(target: Target) -> tuple[str, ...]:
    return read_profile(target.simulate, Path(target.path)).no_kernel


def _config_path(given: str, trees: Mapping[str, Tree], pins: Pins) -> str:
    """A config's path: in mmdet's tree, or on the disk if it starts with a slash."""
    recipe = known_models().get(given.lower().replace("-", "_")) or known_models().get(given)
    if recipe is not None:
        given = recipe.configs.get(pins.pin_set) or recipe.configs.get("default", "")
    if Path(given).is_file():
        return str(Path(given).resolve())
    paths = [p for p in trees["mmdet"].paths() if "configs/" in p and p.endswith(".py")]
    stem = given if given.endswith(".py") else f"{given}.py"
    found = [path for path in paths if path == stem or path.endswith(f"/{stem}")]
    found = [p for p in found if ".mim/" in p or p.startswith("configs/")] or found
    if len(found) == 1:
        return found[0]
    names = {PurePosixPath(path).stem: path for path in paths}
    near = found or get_close_matches(given, [*names, *known_models()], n=3)
    hint = f"Did you mean {' or '.join(f'`{name}`' for name in near)}?" if near else ""
    many = "several configs have that name" if found else "there is no such config"
    raise UsageError(f"{given}: {many}", hint=hint or "`porter models list` lists aliases.")


def _read(path: str, trees: Mapping[str, Tree]) -> bytes:
    """A config's bytes, from the disk or from mmdet's tree, wherever that keeps its configs."""
    if path.startswith("/"):
        try:
            return Path(path).read_bytes()
        except OSError as problem:
            raise KeyError(path) from problem
    for candidate in (path, f"mmdet/.mim/{path}"):
        try:
            return trees["mmdet"].read(candidate)
        except KeyError:
            continue
    raise KeyError(path)
