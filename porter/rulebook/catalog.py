"""Which rules and targets there are: porter's own, and the user's folders beside them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path

from porter.errors import RuleFileError, TargetFileError
from porter.model import Rule, Target
from porter.rulebook.rulefile import read_rule
from porter.rulebook.targetfile import read_target
from porter.rulebook.tomlfile import Table, read_toml

_PACKAGE = Path(__file__).parent.parent

#: The traits that porter's own rules know; a file beside the targets.
VOCABULARY = "traits.toml"


def data_folder(name: str) -> Path:
    """Where porter's own ``rules`` or ``targets`` are: in the package, or in the checkout."""
    packaged = _PACKAGE / "data" / name
    return packaged if packaged.is_dir() else _PACKAGE.parent / name


def load_targets(extra: Sequence[Path] = ()) -> dict[str, Target]:
    """All targets by name; one in a later folder replaces one of the same name.

    Raises:
        TargetFileError: If a folder is missing or a file in it cannot be used.
    """
    targets: dict[str, Target] = {}
    for folder in (data_folder("targets"), *_folders(extra, TargetFileError)):
        for path in sorted(folder.glob("*.toml")):
            if path.name != VOCABULARY:
                targets[path.stem] = read_target(path)
    return targets


def get_target(name: str, extra: Sequence[Path] = ()) -> Target:
    """The target of that name, read alone: the other files are not looked at.

    Raises:
        TargetFileError: If there is none, naming those nearest, or its file cannot be used.
    """
    folders = [data_folder("targets"), *_folders(extra, TargetFileError)]
    for folder in reversed(folders):
        path = folder / f"{name}.toml"
        if path.is_file() and path.name != VOCABULARY:
            return read_target(path)
    names = sorted({p.stem for f in folders for p in f.glob("*.toml") if p.name != VOCABULARY})
    near = get_close_matches(name, names, n=1)
    hint = f"Did you mean `{near[0]}`? " if near else ""
    raise TargetFileError(f"no target {name!r}", hint=f"{hint}Known: {', '.join(names)}.")


def load_rules(extra: Sequence[Path] = ()) -> list[Rule]:
    """All rules, by id; a rule in a later folder replaces one of the same id.

    Raises:
        RuleFileError: If a folder is missing, a file in it cannot be used, or a rule names
            a trait that neither the vocabulary nor any target knows.
    """
    own = data_folder("rules")
    rules = dict(_bundled_rules(own))
    for folder in _folders(extra, RuleFileError):
        rules.update(_read_folder(folder))
    return [rules[rule_id] for rule_id in sorted(rules)]


@lru_cache(maxsize=1)
def _bundled_rules(folder: Path) -> Mapping[str, Rule]:
    return _read_folder(folder)


def _read_folder(folder: Path) -> dict[str, Rule]:
    paths = sorted(folder.glob("*/*.toml"))
    rules = (read_rule(path, path.parent.name) for path in paths)
    return {rule.id: rule for rule in rules}


def trait_vocabulary() -> dict[str, str]:
    """The traits that porter's own rules know, each with what it means."""
    path = data_folder("targets") / VOCABULARY
    _, values = read_toml(path, TargetFileError)
    table = Table(values, path, "", TargetFileError)
    traits = table.mapping("traits")
    table.close()
    return traits


def check_needs(rules: Sequence[Rule]) -> None:
    """Refuse a rule that needs one that is not there.

    Raises:
        RuleFileError: Naming both.
    """
    known = {rule.id for rule in rules}
    for rule in rules:
        for name in rule.needs:
            if name not in known:
                raise RuleFileError(f"{rule.path}: needs: there is no rule {name!r}")


def check_asks(rules: Sequence[Rule], targets: Iterable[Target]) -> None:
    """Refuse a target that asks for a rule that is not there, or that is made anyway.

    Raises:
        TargetFileError: Naming the target's file and the rule.
    """
    optional = {rule.id: rule.optional for rule in rules}
    for target in targets:
        for name in target.ask:
            if name not in optional:
                near = get_close_matches(name, optional, n=1)
                hint = f"Did you mean `{near[0]}`?" if near else "See `porter rules list`."
                raise TargetFileError(f"{target.path}: rules.ask: no rule {name!r}", hint=hint)
            if not optional[name]:
                raise TargetFileError(f"{target.path}: rules.ask: {name} is not optional")


def check_traits(rules: Iterable[Rule], targets: Iterable[Target]) -> None:
    """Refuse a rule that waits for a trait nobody can have: a slip of the pen, mostly.

    Raises:
        RuleFileError: Naming the rule, the trait and the nearest known one.
    """
    known = set(trait_vocabulary()).union(*(target.traits for target in targets))
    for rule in rules:
        for trait in rule.when.traits:
            if trait not in known:
                near = get_close_matches(trait, known, n=1)
                hint = f"Did you mean `{near[0]}`?" if near else "No target has such a trait."
                raise RuleFileError(f"{rule.path}: when: unknown trait {trait!r}", hint=hint)


def _folders(extra: Sequence[Path], error: type[RuleFileError | TargetFileError]) -> list[Path]:
    for folder in extra:
        if not folder.is_dir():
            raise error(f"{folder} is not a folder", hint="Give a folder of TOML files.")
    return [*extra]
