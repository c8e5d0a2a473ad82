"""Options that several commands share, each bundle parsed into one frozen dataclass."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from porter.cli.groups import near
from porter.errors import UsageError
from porter.model import Pin, Rule, Target
from porter.rulebook.catalog import (
    check_asks,
    check_needs,
    check_traits,
    get_target,
    load_rules,
    load_targets,
)
from porter.source.pins import known_pin, parse_pin, recorded_pin

Function = TypeVar("Function", bound=Callable[..., Any])
Decorator = Callable[[Function], Function]

#: The values of ``--from`` that are no folder.
ORIGINS = ("archive", "git")
FOLDER = click.Path(file_okay=False, path_type=Path)


def bundle(name: str, cls: type[Any], *options: Decorator[Any]) -> Decorator[Any]:
    """Add options to a command, which gets their values as ``name``, an instance of ``cls``.

    The options' names are the fields of ``cls``.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def command(**values: Any) -> Any:
            given = {field.name: values.pop(field.name) for field in fields(cls)}
            return function(**values, **{name: cls(**given)})

        decorated: Callable[..., Any] = command
        for option in reversed(options):
            decorated = option(decorated)
        return decorated

    return decorate


@dataclass(frozen=True)
class Catalog:
    """Where rules and targets are read from, besides porter's own."""

    rules: tuple[Path, ...]
    targets: tuple[Path, ...]

    def load_rules(self) -> list[Rule]:
        """All rules, checked against the traits that some target has."""
        rules = load_rules(self.rules)
        targets = self.load_targets().values()
        check_traits(rules, targets)
        check_needs(rules)
        check_asks(rules, targets)
        return rules

    def load_targets(self) -> dict[str, Target]:
        """All targets by name."""
        return load_targets(self.targets)

    def target(self, name: str) -> Target:
        """The target of that name."""
        return get_target(name, self.targets)


@dataclass(frozen=True)
class Choice:
    """Which rules and packages a command is about; all, where nothing is named."""

    only: tuple[str, ...]
    also: tuple[str, ...]
    without: tuple[str, ...]
    packages: tuple[str, ...]

    def asking(self, target: Target, rules: Sequence[Rule]) -> Target:
        """The target, asking for the optional rules of ``--with-rule`` too.

        Raises:
            UsageError: If one is not among the rules.
        """
        known = [rule.id for rule in rules]
        for name in self.also:
            check_name("--with-rule", name, known)
        return replace(target, ask=tuple(dict.fromkeys((*target.ask, *self.also))))


@dataclass(frozen=True)
class Pins:
    """Which versions to port: a named set of the target's, and single changes to it."""

    pin: tuple[str, ...]
    pin_set: str

    def explicit(self) -> dict[str, str]:
        """The versions of ``--pin`` alone, by package."""
        return dict(parse_pin(text) for text in self.pin)

    def versions(self, target: Target) -> dict[str, str]:
        """Package -> version.

        Raises:
            UsageError: If the target has no set of that name, or a pin is malformed.
        """
        if self.pin_set not in target.pins:
            raise UsageError(
                f"--set {self.pin_set}: target {target.name!r} has no such set of pins",
                hint=near(self.pin_set, list(target.pins)),
            )
        return {**target.pins[self.pin_set], **self.explicit()}

    def asked(self, target: Target, packages: Sequence[str] = ()) -> dict[str, str]:
        """Package -> version, of those that the user named by ``--pin`` or ``--set``.

        Args:
            packages: Those that ``--package`` names, to which it narrows a set; all if empty.
        """
        if self.pin_set == "default":
            return self.explicit()
        pinned = self.versions(target)
        kept = {name: pinned[name] for name in packages or pinned if name in pinned}
        return {**kept, **self.explicit()}

    def packages(self, target: Target) -> tuple[str, ...]:
        """The packages that ``--set`` narrows a port to; all there are where it is not given."""
        return () if self.pin_set == "default" else tuple(self.versions(target))


@dataclass(frozen=True)
class Origin:
    """Where pristine bytes come from: ``archive``, ``git``, or a folder's path."""

    origin: str
    mirror: str
    offline: bool

    def pin(self, package: str, version: str) -> Pin:
        """What is to be had from here: a recorded release, or whatever a folder holds.

        Raises:
            UnsupportedVersion: If no such release is recorded, and the origin is no folder.
        """
        if self.origin in ORIGINS:
            return known_pin(package, version)
        return recorded_pin(package, version) or Pin(package, version)

    def arguments(self) -> Mapping[str, Any]:
        """The keyword arguments of ``porter.source.fetch``.

        Raises:
            UsageError: If ``--from`` is neither a known origin nor a folder.
        """
        if self.origin not in ORIGINS and not Path(self.origin).is_dir():
            raise UsageError(
                f"--from {self.origin}: neither `archive`, `git` nor a folder",
                hint="Give the path of a checkout, or of a folder that holds one for each package.",
            )
        return {"origin": self.origin, "mirror": self.mirror, "offline": self.offline}


def check_name(option: str, name: str, known: Sequence[str]) -> None:
    """Refuse a name that is not known.

    Raises:
        UsageError: Naming the option, with the nearest known names.
    """
    if name not in known:
        raise UsageError(f"{option} {name}: no such {_thing(option)}", hint=near(name, known))


def _thing(option: str) -> str:
    return option.strip("-").removeprefix("without-").removeprefix("with-")


catalog_options = bundle(
    "catalog",
    Catalog,
    click.option(
        "--rules",
        "rules",
        type=FOLDER,
        multiple=True,
        metavar="DIR",
        help="Read more rules from a folder; repeatable.",
    ),
    click.option(
        "--targets",
        "targets",
        type=FOLDER,
        multiple=True,
        metavar="DIR",
        help="Read more targets from a folder; repeatable.",
    ),
)

choice_options = bundle(
    "choice",
    Choice,
    click.option(
        "--rule", "only", multiple=True, metavar="ID", help="Make only this rule; repeatable."
    ),
    click.option(
        "--with-rule",
        "also",
        multiple=True,
        metavar="ID",
        help="Make this optional rule too; repeatable.",
    ),
    click.option(
        "--without-rule",
        "without",
        multiple=True,
        metavar="ID",
        help="Leave this rule out; repeatable.",
    ),
    click.option(
        "--package",
        "packages",
        multiple=True,
        metavar="NAME",
        help="Only this package; repeatable.",
    ),
)

pin_options = bundle(
    "pins",
    Pins,
    click.option(
        "--pin",
        multiple=True,
        metavar="PKG=VER",
        help="Another version of a package, such as mmcv=2.0.1; repeatable.",
    ),
    click.option(
        "--set",
        "pin_set",
        default="default",
        metavar="NAME",
        show_default=True,
        help="The target's set of pins to use.",
    ),
)

origin_options = bundle(
    "source",
    Origin,
    click.option(
        "--from",
        "origin",
        default="archive",
        metavar="archive|git|PATH",
        show_default=True,
        help="Where upstream's bytes come from.",
    ),
    click.option(
        "--mirror",
        default="",
        metavar="URL",
        help="With --from git: takes the place of the host in the address.",
    ),
    click.option("--offline", is_flag=True, help="Use what the cache holds and no network."),
)


def edit_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """What to do about edits by hand: the command gets it as ``edits``."""

    @wraps(function)
    def command(*, keep_edits: bool, overwrite_edits: bool, **values: Any) -> Any:
        if keep_edits and overwrite_edits:
            raise UsageError("--keep-edits and --overwrite-edits exclude each other")
        policy = "keep" if keep_edits else "overwrite" if overwrite_edits else "refuse"
        return function(**values, edits=policy)

    keep = click.option("--keep-edits", is_flag=True, help="Keep edits made by hand, by merging.")
    overwrite = click.option("--overwrite-edits", is_flag=True, help="Lose edits made by hand.")
    return keep(overwrite(command))


target_option = click.option(
    "--target", "target_name", required=True, metavar="NAME", help="The chip to port to."
)

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document, keys sorted."
)


def named(option: str) -> bool:
    """Whether the user named an option of the command that runs."""
    source = click.get_current_context().get_parameter_source(option)
    return source is not ParameterSource.DEFAULT


def into_option(help: str, default: str | None = "./vendor") -> Decorator[Any]:
    """``--into DIR`` with the command's own explanation."""
    return click.option(
        "--into",
        type=FOLDER,
        default=default,
        metavar="DIR",
        show_default=default is not None,
        help=help,
    )
