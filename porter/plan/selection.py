"""Which rules a target needs on which package, and why the others are skipped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from porter.errors import UnsupportedVersion, UsageError
from porter.model import Rule, Skip, Target, specifier_text

#: Why a rule that nobody asked for is not made.
OPTIONAL = "optional: ask for it with --with-rule"


def select_rules(
    rules: Sequence[Rule],
    target: Target,
    versions: Mapping[str, str],
    only: Iterable[str] = (),
    without: Iterable[str] = (),
) -> tuple[list[tuple[Rule, str]], list[Skip]]:
    """The rules to make, each with the package to make it on, and the skipped ones.

    Args:
        versions: Package -> version of the trees at hand.
        only: Ids of the rules to make, with those that they need; all if there are none.
        without: Ids of rules to leave out, with those that need them.

    Raises:
        UsageError: If an id is no rule's.
        UnsupportedVersion: If no rule is written for the version of a package.
    """
    chosen = _with_needs(rules, _known(rules, only, "--rule"))
    left_out = _known(rules, without, "--without-rule")
    lacking = _lacking(rules, left_out)
    wanted = _with_needs(rules, set(target.ask))
    selected: list[tuple[Rule, str]] = []
    skips: list[Skip] = []
    for rule in rules:
        for package in rule.packages:
            if package in versions:
                reason = _asked(rule, chosen, left_out, lacking, wanted) or skip_reason(
                    rule, target, package, versions
                )
                if reason:
                    skips.append(Skip(rule.id, package, reason))
                else:
                    selected.append((rule, package))
    _check_versions(rules, target, versions, {package for _, package in selected})
    return selected, skips


def _known(rules: Sequence[Rule], ids: Iterable[str], option: str) -> set[str]:
    known = {rule.id for rule in rules}
    for name in ids:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"Did you mean `{near[0]}`?" if near else "See `porter rules list`."
            raise UsageError(f"{option} {name}: there is no such rule", hint=hint)
    return set(ids)


def _with_needs(rules: Sequence[Rule], ids: set[str]) -> set[str]:
    """Rules, and all that they need, and what those need."""
    needs = {rule.id: rule.needs for rule in rules}
    found, todo = set(ids), list(ids)
    while todo:
        new = set(needs.get(todo.pop(), ())) - found
        found |= new
        todo += new
    return found


def _lacking(rules: Sequence[Rule], left_out: set[str]) -> dict[str, str]:
    """Rules that need one that is left out, each with the first such."""
    if not left_out:
        return {}
    needed = {rule.id: _with_needs(rules, {rule.id}) & left_out for rule in rules}
    return {rule: min(gone) for rule, gone in needed.items() if gone}


def _asked(
    rule: Rule,
    chosen: set[str],
    left_out: set[str],
    lacking: Mapping[str, str],
    wanted: set[str],
) -> str:
    if rule.id in left_out:
        return "left out with --without-rule"
    if rule.id in lacking:
        return f"needs {lacking[rule.id]}, which is left out with --without-rule"
    if chosen and rule.id not in chosen:
        return "not among the rules asked for with --rule"
    if rule.optional and not chosen and rule.id not in wanted:
        return OPTIONAL
    return ""


def skip_reason(rule: Rule, target: Target, package: str, versions: Mapping[str, str]) -> str:
    """Why a rule is not made on a package for a target; empty if it is."""
    return (
        trait_reason(rule, target)
        or _native_reason(rule, target, package, versions[package])
        or _version_reason(rule, versions)
    )


def trait_reason(rule: Rule, target: Target) -> str:
    """Why a target's traits make a rule needless; empty if they ask for it."""
    when, traits = rule.when, target.traits
    for trait in when.all:
        if trait not in traits:
            return f"{target.name} has no trait {trait}"
    if when.any and not any(trait in traits for trait in when.any):
        return f"{target.name} has none of the traits {', '.join(when.any)}"
    for trait in when.none:
        if trait in traits:
            return f"{target.name} has the trait {trait}"
    return ""


def _native_reason(rule: Rule, target: Target, package: str, version: str) -> str:
    native = rule.native.get(target.device)
    if native is not None and fits(version, native):
        return f"{package} {version} does this for {target.device} itself"
    return ""


def _version_reason(rule: Rule, versions: Mapping[str, str]) -> str:
    for package, wanted in rule.requires.items():
        if package not in versions:
            return f"needs {package} {specifier_text(wanted)}, which is not there"
        if not fits(versions[package], wanted):
            return f"is for {package} {specifier_text(wanted)}, not {versions[package]}"
    return ""


def fits(version: str, wanted: SpecifierSet) -> bool:
    """Whether a version is in a range; a pre-release counts as any other, none as the oldest."""
    return wanted.contains(Version(version or "0"), prereleases=True)


def _check_versions(
    rules: Sequence[Rule], target: Target, versions: Mapping[str, str], reached: set[str]
) -> None:
    """A package all of whose rules are for other versions is one we cannot port.

    A rule without a trait says which releases need it: the others do without.
    """
    for package in sorted(versions.keys() - reached):
        due = [
            rule
            for rule in rules
            if package in rule.packages
            and package in rule.requires
            and (rule.when.all or rule.when.any)
            and not trait_reason(rule, target)
            and not _native_reason(rule, target, package, versions[package])
        ]
        if due and not any(fits(versions[package], rule.requires[package]) for rule in due):
            ranges = sorted({specifier_text(rule.requires[package]) for rule in due})
            raise UnsupportedVersion(
                f"{package} {versions[package]}: no rule for {target.name} is written for it",
                hint=f"Rules cover {package} {' and '.join(ranges)}.",
            )
