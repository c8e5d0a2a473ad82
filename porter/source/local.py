"""Trees in folders of the user's: a checkout to port from, and trees to port in place."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from porter.errors import SourceError, TreeStateError, UsageError
from porter.model import PROJECT, Pin
from porter.source.archive import cached_tree
from porter.source.cache import Cache
from porter.source.compare import differences, listed
from porter.source.gitread import changed_in_checkout, tracked_files
from porter.source.pins import repository, same_version
from porter.source.tree import FolderTree, reading
from porter.source.versions import read_version

INSTALLED_FOLDERS = frozenset({"site-packages", "dist-packages"})

#: The version of a project of the user's own, which says nothing.
PROJECT_VERSION = "0"

_NOT_SOURCES = frozenset({"node_modules", "site-packages", "dist-packages", "__pycache__"})


def open_checkouts(pins: Sequence[Pin], folder: Path, cache: Cache) -> list[FolderTree]:
    """The pins' trees in a checkout of one package, or a folder with one checkout a package.

    Raises:
        UsageError: If the folder is not there.
        SourceError: If it lacks a package, or has another version than the pin's.
        TreeStateError: If a checkout is not clean.
    """
    with reading(folder):
        is_there = folder.is_dir()
    if not is_there:
        raise UsageError(
            f"--from {folder}: there is no such folder",
            hint="Give `archive`, `git`, or a folder with a checkout.",
        )
    return [_open_checkout(pin, folder, cache) for pin in pins]


def find_trees(into: Path, packages: Sequence[str]) -> dict[str, FolderTree]:
    """The packages that are in a folder, with the versions that their files say.

    Recognised are a vendor folder (``<into>/mmcv/mmcv``), a checkout
    (``<into>/setup.py`` and ``<into>/mmcv``) and ``site-packages`` (``<into>/mmcv``).
    Of the last, a tree has the package's own folder only.

    Raises:
        TreeStateError: If a package's ``version.py`` says no version, or its folder is a
            symbolic link, through which porter will not write.
        SourceError: If the operating system refuses to read.
    """
    found = {package: _find_tree(into, package) for package in packages}
    return {package: tree for package, tree in found.items() if tree is not None}


def project_tree(into: Path) -> FolderTree:
    """All of a folder of the user's own: what git tracks if it is a checkout, else its sources.

    Hidden folders and virtual environments are no sources.
    """
    listed = tracked_files(into) if (into / ".git").exists() else tuple(_own_files(into))
    return FolderTree(PROJECT, PROJECT_VERSION, into, listed=listed)


def _own_files(into: Path) -> Iterator[str]:
    with reading(into):
        for folder, folders, names in os.walk(into):
            folders[:] = [
                name
                for name in folders
                if name not in _NOT_SOURCES
                and not name.startswith(".")
                and not Path(folder, name, "pyvenv.cfg").exists()
            ]
            place = Path(folder).relative_to(into)
            yield from ((place / name).as_posix() for name in names)


def _find_tree(into: Path, package: str) -> FolderTree | None:
    if package == PROJECT:
        return project_tree(into)
    if _has_package(into, package):
        only = "" if _is_project(into) else package
        _check_no_link(into / package)
        return FolderTree(package, read_version(into, package), into, only=only)
    project = into / package
    if _has_package(project, package):
        _check_no_link(project)
        _check_no_link(project / package)
        return FolderTree(package, read_version(project, package), project)
    return None


def _has_package(folder: Path, package: str) -> bool:
    """Whether Python would import the package from ``folder``."""
    with reading(folder):
        return (folder / package / "__init__.py").is_file()


def _is_project(folder: Path) -> bool:
    # Some wheels drop a setup.py of theirs into site-packages.
    return (folder / "setup.py").is_file() and folder.name not in INSTALLED_FOLDERS


def _check_no_link(folder: Path) -> None:
    if folder.is_symlink():
        raise TreeStateError(
            f"{folder} is a symbolic link, and porter does not write through links",
            hint=f"Name the folder it leads to instead: {folder.resolve()}.",
        )


def _open_checkout(pin: Pin, folder: Path, cache: Cache) -> FolderTree:
    root = _checkout_of(pin, folder)
    version = read_version(root, pin.package) or pin.version
    if pin.version and not same_version(version, pin.version):
        raise SourceError(
            f"{root} has {pin.package} {version}, but {pin.version} is asked for",
            hint=f"Ask for it with --pin {pin.package}={version}, or check out the other release.",
        )
    is_git = (root / ".git").exists()
    tree = FolderTree(pin.package, version, root, listed=tracked_files(root) if is_git else None)
    _check_clean(pin, tree, changed_in_checkout(root) if is_git else _unlike(pin, tree, cache))
    return tree


def _checkout_of(pin: Pin, folder: Path) -> Path:
    names = (pin.package, repository(pin.package).rpartition("/")[2])
    candidates = [folder, *(folder / name for name in names)]
    candidates.append(folder / f"{pin.package}-{pin.version}")
    for candidate in candidates:
        if _has_package(candidate, pin.package) and _is_project(candidate):
            return candidate
    raise SourceError(
        f"--from {folder}: there is no checkout of {pin.package} in it",
        hint=f"Looked for `setup.py` and `{pin.package}/__init__.py` in it, and in its folders "
        f"{', '.join(candidate.name for candidate in candidates[1:])}.",
    )


def _unlike(pin: Pin, tree: FolderTree, cache: Cache) -> list[str]:
    """Where a folder without git differs from the release, if the release is in the cache."""
    release = cached_tree(pin, cache) if pin.sha256 else None
    return differences(tree, release) if release else []


def _check_clean(pin: Pin, tree: FolderTree, changed: Sequence[str]) -> None:
    if changed:
        raise TreeStateError(
            f"{tree.root}: {pin.package} {tree.version} is not clean, "
            f"{len(changed)} files were changed, added or removed:\n{listed(changed)}",
            hint="Commit or stash them, or let porter fetch the release with --from archive.",
        )
