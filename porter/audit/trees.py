"""What an audit reads: the packages in a folder, or the whole of a user's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from porter.errors import TreeStateError, UsageError
from porter.manifest import Manifest, read_manifest
from porter.model import PROJECT
from porter.source import FolderTree, find_trees, known_packages
from porter.source.local import project_tree


@dataclass(frozen=True)
class Audited:
    """The trees of a folder.

    Attributes:
        trees: Package -> its tree; a user's own folder is ``project``.
        manifest: What was applied to the folder; None if it is not ported.
    """

    root: Path
    trees: Mapping[str, FolderTree]
    manifest: Manifest | None

    def shown(self, package: str, path: str) -> str:
        """A path relative to the folder."""
        place = self.trees[package].root.relative_to(self.root)
        return (PurePosixPath(place.as_posix()) / path).as_posix()

    @property
    def versions(self) -> dict[str, str]:
        """Package -> version, of upstream's packages."""
        return {n: t.version for n, t in self.trees.items() if n != PROJECT and t.version}


def open_trees(root: Path, packages: tuple[str, ...] = ()) -> Audited:
    """The trees in a folder: upstream's packages if it has any, else all of it as a project.

    Args:
        packages: The packages to look at; all there are if none are named.

    Raises:
        TreeStateError: There is no such folder, or its manifest cannot be read.
        UsageError: A package that is asked for is not there.
    """
    root = root.expanduser().resolve()
    if not root.is_dir():
        raise TreeStateError(f"{root} is not there", hint="Name a folder, or port one with apply.")
    manifest = read_manifest(root)
    trees = find_trees(root, [name for name in known_packages() if name != PROJECT])
    if (manifest and PROJECT in manifest.packages) or not trees:
        trees = {PROJECT: project_tree(root)}
    for name in packages:
        if name not in trees:
            raise UsageError(
                f"--package {name}: it is not in {root}", hint=f"There: {', '.join(sorted(trees))}."
            )
    if packages:
        trees = {name: trees[name] for name in packages}
    return Audited(root, trees, manifest)
