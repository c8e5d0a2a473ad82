"""The upstream releases porter knows, and how to know them when they arrive.

The table is ``pins.toml`` beside this file: package data, so that a reviewer sees
a new release as one line with its digest.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from difflib import get_close_matches
from functools import lru_cache
from importlib.resources import files
from typing import Any

from packaging.version import InvalidVersion, Version

from porter.errors import UnsupportedVersion, UsageError
from porter.model import Pin

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@lru_cache(maxsize=1)
def _table() -> Mapping[str, Any]:
    return tomllib.loads(files(__package__).joinpath("pins.toml").read_text(encoding="utf-8"))


def known_packages() -> tuple[str, ...]:
    """The packages porter ports, pinned or not."""
    return tuple(_table())


def recorded_pin(package: str, version: str) -> Pin | None:
    """The pin of a release, or None where no such release is recorded."""
    try:
        return known_pin(package, version)
    except UnsupportedVersion:
        return None


def known_versions(package: str) -> tuple[str, ...]:
    """The pinned versions of a package, oldest first; none for a package unknown."""
    releases = _table().get(package, {}).get("releases", {})
    return tuple(sorted(releases, key=Version))


def repository(package: str) -> str:
    """``owner/name`` of the package's git repository.

    Raises:
        UnsupportedVersion: If porter does not know the package.
    """
    if package not in _table():
        raise _unknown_package(package)
    return str(_table()[package]["repository"])


def known_pin(package: str, version: str) -> Pin:
    """The recorded release of a package.

    Args:
        version: As PEP 440 reads it: ``2.1`` is ``2.1.0``.

    Raises:
        UnsupportedVersion: If no such release is recorded; names those that are.
    """
    if package not in _table():
        raise _unknown_package(package)
    for known in known_versions(package):
        if same_version(known, version):
            return _pin(package, known)
    raise _unknown_version(package, version)


def parse_pin(text: str) -> tuple[str, str]:
    """Read ``--pin``'s value: ``mmcv=2.0.1`` is ``("mmcv", "2.0.1")``.

    Pip's ``mmcv==2.0.1`` means the same.

    Raises:
        UsageError: If the text is no pin, or names a package porter does not know.
    """
    package, sign, version = (part.strip() for part in text.partition("="))
    version = version.removeprefix("=").strip()
    if not (package and sign and is_version(version)):
        raise UsageError(f"--pin {text}: not a pin", hint="Write it like --pin mmcv=2.1.0.")
    if package not in _table():
        raise UsageError(f"--pin {text}: {_no_package(package)}", hint=_near(package))
    return package, version


def same_version(one: str, other: str) -> bool:
    """Whether two texts spell the same PEP 440 version."""
    if not (is_version(one) and is_version(other)):
        return one == other
    return Version(one) == Version(other)


def _pin(package: str, version: str) -> Pin:
    release = _table()[package]["releases"][version]
    return Pin(
        package=package,
        version=version,
        sha256=release["sha256"],
        tag=release.get("tag", f"v{version}"),
        commit=release.get("commit", ""),
    )


def is_version(text: str) -> bool:
    """Whether a text is a version, as PEP 440 reads it."""
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True


def _no_package(package: str) -> str:
    return f"porter knows no package `{package}`"


def _near(package: str) -> str:
    near = get_close_matches(package, known_packages(), n=1)
    if near:
        return f"Did you mean `{near[0]}`?"
    return f"The packages are {', '.join(known_packages())}."


def _unknown_package(package: str) -> UnsupportedVersion:
    return UnsupportedVersion(_no_package(package), hint=_near(package))


def _unknown_version(package: str, version: str) -> UnsupportedVersion:
    versions = known_versions(package)
    if versions:
        hint = f"Supported versions of {package}: {', '.join(versions)}."
    else:
        hint = f"No release of {package} is pinned; give a checkout with --from PATH."
    return UnsupportedVersion(f"{package} {version} is not supported", hint=hint)
