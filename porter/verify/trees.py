"""The two trees of a comparison: the ported one where it is, upstream's unpacked in the cache."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from porter.errors import CouldNotRun
from porter.manifest import Manifest, read_manifest
from porter.port.ground import check_whole
from porter.port.pristine import pristine_trees
from porter.source import Cache, FolderTree, Progress, Tree, fetch, find_trees
from porter.source.pins import recorded_pin
from porter.verify.baseline import runnable

#: What an OpenMMLab detector is trained with; mmdet 2 without the first of them.
PACKAGES = ("mmengine", "mmcv", "mmdet")
#: porter's own configs for mmdet 2, whose release has none.
OWN_CONFIGS = Path(__file__).parent / "models" / "configs" / "mmdet2"


@dataclass(frozen=True)
class Trees:
    """One side's packages, each in a folder that Python can import from.

    Attributes:
        roots: Package -> the folder that holds the package's folder; absolute.
        digests: Package -> sha256 over the paths and bytes of its files.
    """

    roots: Mapping[str, Path]
    digests: Mapping[str, str]

    @property
    def configs(self) -> tuple[Path, ...]:
        """mmdet's folders of configs: at the top of a checkout, within the package elsewhere.

        For an mmdet 2 that was installed without any, porter's own come last.
        """
        root = self.roots["mmdet"]
        places = [root / "configs", root / "mmdet" / ".mim" / "configs"]
        own = () if "mmengine" in self.roots else (OWN_CONFIGS,)
        return (*(place for place in places if place.is_dir()), *own)

    def config(self, name: str) -> Path:
        """The file of a config that ``configs`` has, or of one from elsewhere by its whole path."""
        places = [folder / name for folder in self.configs] or [Path(name)]
        return next((place for place in places if place.is_file()), places[-1])


@dataclass(frozen=True)
class Folder:
    """A folder with the packages to train, ported by porter or by hand.

    Attributes:
        manifest: What porter applied; None for a port by hand, or none at all.
    """

    into: Path
    packages: Mapping[str, FolderTree]
    manifest: Manifest | None

    @property
    def versions(self) -> dict[str, str]:
        """Package -> version."""
        return {name: tree.version for name, tree in self.packages.items()}

    def trees(self) -> Trees:
        """The packages as they are in the folder."""
        return Trees(
            {name: tree.root for name, tree in self.packages.items()},
            {name: tree_digest(tree) for name, tree in self.packages.items()},
        )


def open_folder(into: Path, packages: Sequence[str] = PACKAGES) -> Folder:
    """Find the packages to train.

    Raises:
        CouldNotRun: If one is missing.
        TreeStateError: If a run of porter was killed there, or the manifest cannot be read.
    """
    into = into.expanduser().resolve()
    if not into.is_dir():
        raise CouldNotRun(
            f"--into {into}: there is no such folder",
            hint="Port one first: porter apply --target NAME --into DIR; or name the chip with "
            "--target, and no folder.",
        )
    check_whole(into)
    found = find_trees(into, packages)
    if is_first_generation(found):
        packages = [package for package in packages if package != "mmengine"]
        found = {package: found[package] for package in packages if package in found}
    missing = [package for package in packages if package not in found]
    if missing:
        raise CouldNotRun(
            f"{into} has no {', '.join(missing)}, and a detector is trained with all of "
            f"{', '.join(packages)}",
            hint="Port all of them into one folder, or name the folder that has them with --into.",
        )
    return Folder(into, found, read_manifest(into))


def is_first_generation(packages: Mapping[str, FolderTree]) -> bool:
    """Whether mmdet is of the releases that mmcv 1.x goes with, and no mmengine."""
    return "mmdet" in packages and packages["mmdet"].version.startswith("2.")


def upstream_trees(
    folder: Folder,
    cache: Cache,
    *,
    rules: Collection[str] = (),
    offline: bool = False,
    progress: Progress | None = None,
) -> Trees:
    """The same versions as upstream released them, made to run, unpacked in the cache.

    A version whose release porter has no pin of is taken from the folder: its pristine bytes
    where porter kept them, and else as it is.

    Args:
        rules: Ids of rules that bring a model which upstream does not have.

    Raises:
        SourceError: If a release cannot be had.
        TreeStateError: If kept bytes are gone.
        WriteError: If the cache cannot be written.
    """
    pins = {name: recorded_pin(name, version) for name, version in folder.versions.items()}
    known = [pin for pin in pins.values() if pin is not None]
    released = fetch(known, cache, offline=offline, progress=progress)
    trees: dict[str, Tree] = {tree.package: tree for tree in released}
    rest = {name: tree for name, tree in folder.packages.items() if name not in trees}
    trees |= pristine_trees(folder.into, rest, folder.manifest)
    trees = runnable(trees, cache, rules)
    unpacked = {name: _unpack(tree, cache) for name, tree in sorted(trees.items())}
    return Trees(
        {name: root for name, (root, _) in unpacked.items()},
        {name: digest for name, (_, digest) in unpacked.items()},
    )


def unvouched(folder: Folder) -> list[str]:
    """The packages whose baseline is no pinned release, but what the folder holds."""
    return [name for name, version in folder.versions.items() if not recorded_pin(name, version)]


def tree_digest(tree: Tree) -> str:
    """sha256 over the paths and bytes of a tree's files, hex."""
    whole = hashlib.sha256()
    for path in tree.paths():
        content = hashlib.sha256(tree.read(path)).hexdigest()
        whole.update(f"{path}\0{content}\n".encode())
    return whole.hexdigest()


def _unpack(tree: Tree, cache: Cache) -> tuple[Path, str]:
    """Write a tree's files once; whoever finds the folder finds all of it."""
    digest = tree_digest(tree)
    root = cache.root / "trees" / f"{tree.package}-{tree.version}-{digest[:16]}"
    if not _is_whole(root, tree, digest):
        with cache.lock(root.name), cache.writing():
            if not _is_whole(root, tree, digest):  # another porter may have written it meanwhile
                _write_anew(tree, root)
    return root, digest


def _is_whole(root: Path, tree: Tree, digest: str) -> bool:
    """Whether all files are there, and nobody edited them since."""
    unpacked = FolderTree(tree.package, tree.version, root)
    return root.is_dir() and tree_digest(unpacked) == digest


def _write_anew(tree: Tree, root: Path) -> None:
    part = root.with_name(f"{root.name}.part")
    for leftover in (part, root):
        if leftover.exists():
            shutil.rmtree(leftover)
    _write(tree, part)
    part.rename(root)


def _write(tree: Tree, folder: Path) -> None:
    for path in tree.paths():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(tree.read(path))
