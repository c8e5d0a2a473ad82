"""Walking through configs, which are dicts and lists of whatever depth."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

Config = Any  # a plain dict; an alias for the reader's eye


def plain(value: Any) -> Any:
    """The value as builtin dicts, lists and tuples, none of which is shared.

    Configs share parts: a pipeline that two loaders have must not be changed twice.
    """
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(plain(item) for item in value)
    return value


def dicts(value: Any) -> Iterator[dict[str, Any]]:
    """Every dict in the value, outer ones first, the value itself included."""
    if isinstance(value, dict):
        yield value
        for item in list(value.values()):
            yield from dicts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from dicts(item)


def kind(value: Any) -> str:
    """The ``type`` of a dict without its module: ``ResNet``; empty if it has none."""
    found = value.get("type", "") if isinstance(value, dict) else ""
    name = found if isinstance(found, str) else getattr(found, "__name__", str(found))
    return name.rpartition(".")[2]


def drop(value: Any, unwanted: Callable[[str, Any], bool]) -> None:
    """Take from every dict in the value the entries that are unwanted."""
    for found in dicts(value):
        for key in [key for key, item in found.items() if unwanted(key, item)]:
            del found[key]
