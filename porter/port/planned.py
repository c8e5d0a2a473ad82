"""A plan and the files it makes: kept from an earlier run where it must be the same, or made.

A plan depends on nothing but the trees, the rules, the target, the selection and the code that
finds. Where the trees are archives, all of that has a digest, and the digest of it all names an
entry in the cache. An entry is a manifest, so reading it back is what reading a manifest is.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import packaging

from porter import __version__
from porter.errors import PlanError, PorterError
from porter.invariants import ChangedFile, violations_at_once
from porter.manifest import Manifest, PackageRecord, digest
from porter.model import Plan, Rule, Target
from porter.plan import make_plan
from porter.port.ported import PortedFile, check_compiles, ported_files
from porter.port.record import make_manifest
from porter.source import ArchiveTree, Cache, Tree
from porter.source.plans import read_plan, write_plan

Planned = tuple[Plan, list[PortedFile]]

_ROOT = Path(__file__).parent.parent


def planned(
    rules: Sequence[Rule],
    target: Target,
    trees: Mapping[str, Tree],
    cache: Cache,
    *,
    only: Iterable[str] = (),
    without: Iterable[str] = (),
    must_compile: bool = True,
) -> Planned:
    """The plan that ports pristine trees, and every file that it changes or adds.

    Args:
        trees: Package -> its pristine tree.
        cache: Where plans of released archives are kept.
        only: Ids of the rules to make; all that the target needs if there are none.
        without: Ids of rules to leave out.
        must_compile: Whether a plan that breaks a Python file, or what every port promises of
            one, is an error.

    Raises:
        PlanError: The rules do not hold on the trees, or break a file or a promise.
        UnsupportedVersion: No rule is written for a package's version.
        UsageError: ``only`` or ``without`` names no rule.
    """
    only, without = sorted(only), sorted(without)
    archives = {name: tree for name, tree in trees.items() if isinstance(tree, ArchiveTree)}
    recipe = _recipe(rules, target, archives, only, without) if len(archives) == len(trees) else ""
    found = _kept(recipe, archives, cache) if recipe else None
    if found:
        return found
    plan = make_plan(rules, target, trees, only=only, without=without)
    files = ported_files(plan, lambda package, path: trees[package].read(path))
    try:
        check_compiles(files)
        check_promises(files, rules, target)
    except PlanError:
        if must_compile:
            raise
    else:
        if recipe:
            _keep(recipe, plan, files, archives, cache)
    return plan, files


def check_promises(files: Iterable[PortedFile], rules: Sequence[Rule], target: Target) -> None:
    """Refuse a port that takes from a file what no port may take.

    A plan that is kept was checked when it was made: the checks are part of what its name is
    the digest of.

    Raises:
        PlanError: Naming every broken promise, its file, and the rules behind it.
    """
    changed = [ChangedFile(f.package, f.path, f.pristine, f.ported, f.edits) for f in files]
    broken = violations_at_once(changed, rules, target.device)
    if broken:
        raise PlanError(
            [str(violation) for violation in broken],
            hint="Nothing was written. `porter diff` shows what the plan makes of the files.",
        )


def _recipe(
    rules: Sequence[Rule],
    target: Target,
    archives: Mapping[str, ArchiveTree],
    only: Sequence[str],
    without: Sequence[str],
) -> str:
    """sha256 over all that decides a plan; empty if something has no digest."""
    code = code_digest()
    if not (code and target.digest and all(rule.digest for rule in rules)):
        return ""
    parts = [
        code,
        [(rule.id, rule.digest) for rule in rules],
        (target.name, target.digest, target.ask),
        [(name, tree.version, tree.sha256) for name, tree in sorted(archives.items())],
        only,
        without,
    ]
    return digest(repr(parts).encode())


@lru_cache(maxsize=1)
def code_digest() -> str:
    """sha256 over porter's own code, and the libraries it finds and compares versions with.

    porter's version alone would not do: in a checkout, code changes without it. libcst is
    looked at and not imported, as that takes longer than all the rest.
    """
    libcst = find_spec("libcst")
    if libcst is None or libcst.origin is None:
        return ""
    sources = sorted(_ROOT.rglob("*.py"))
    try:
        digests = [digest(path.read_bytes()) for path in sources]
        digests.append(digest(Path(libcst.origin).with_name("_version.py").read_bytes()))
    except OSError:
        return ""
    names = [path.relative_to(_ROOT).as_posix() for path in sources]
    parts = [__version__, sys.version, packaging.__version__, names, digests]
    return digest(repr(parts).encode()) if sources else ""


def _kept(recipe: str, archives: Mapping[str, ArchiveTree], cache: Cache) -> Planned | None:
    """What the cache has for a recipe, if all of it is as it was written."""
    text = read_plan(cache, recipe)
    if text is None:
        return None
    try:
        manifest = Manifest.from_json(text, name=f"the kept plan {recipe}")
        if manifest.recipe != recipe:
            return None
        plan = manifest.to_plan()
        files = ported_files(plan, lambda package, path: archives[package].read(path))
    except (PorterError, KeyError, ValueError):
        return None
    whole = _manifest(recipe, plan, files, archives) == manifest
    return (plan, files) if whole else None


def _keep(
    recipe: str,
    plan: Plan,
    files: Sequence[PortedFile],
    archives: Mapping[str, ArchiveTree],
    cache: Cache,
) -> None:
    write_plan(cache, recipe, _manifest(recipe, plan, files, archives).to_json())


def _manifest(
    recipe: str, plan: Plan, files: Sequence[PortedFile], archives: Mapping[str, ArchiveTree]
) -> Manifest:
    """The manifest of a plan; it has the sha256 of every file, before and after."""
    packages = {
        name: PackageRecord(tree.version, name, "archive", sha256=tree.sha256)
        for name, tree in archives.items()
    }
    return make_manifest(plan, files, archives, packages, recipe)
