"""A port made for a verification alone, where the user has made none."""

from __future__ import annotations

from pathlib import Path

from porter.apply import apply
from porter.model import Target
from porter.port.request import Request
from porter.rulebook.catalog import load_rules
from porter.source import Cache, Progress
from porter.verify.models.recipes import MAIN_SET, recipe_of

#: Where ports are made that nobody named a folder for; under the cache.
FOLDER = "ported"


def default_set(model: str, target: Target) -> str:
    """The set of pins that a model is ported by to a target, where the user named none."""
    asked = recipe_of(model).pin_sets.get(target.name, MAIN_SET)
    return asked if asked in target.pins else MAIN_SET


def ported_for(
    model: str,
    target: Target,
    cache: Cache,
    *,
    offline: bool = False,
    progress: Progress | None = None,
) -> Path:
    """The model's default releases, ported to a target in the cache; made anew by newer rules.

    Raises:
        PorterError: Whatever a port raises.
    """
    pin_set = default_set(model, target)
    pins = target.pins[pin_set]
    into = cache.root / FOLDER / f"{target.name}-{pin_set}-{target.digest[:8]}"
    request = Request(
        target=target,
        rules=tuple(load_rules()),
        into=into,
        pins=pins,
        packages=tuple(pins),
        offline=offline,
        edits="overwrite",
    )
    with cache.writing():
        into.parent.mkdir(parents=True, exist_ok=True)
    with cache.lock(f"{FOLDER}-{into.name}"):
        apply(request, cache, progress)
    return into
