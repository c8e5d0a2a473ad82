"""A small world with a newer release of one package."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from porter.source import pins
from porter.upgrade.model import Upgraded, UpgradeRequest
from porter.upgrade.run import upgrade
from tests.world import (
    DEVICE,
    RULES,
    World,
    archive_of,
    make_world,
    release,
    replaced,
)

NEWER = "0.10.7"
SCRIPT = "mmengine/tools/run.sh"
#: What the newer release has: two lines more on top, a file moved away, one that came.
DEVICE_LATER = b"import os\nimport sys\n\nVERSION = 7\nDEVICE = 'cuda'\n\n\ndef get_device():\n    return DEVICE\n"
EARLY = replaced("early", "mmengine/untouched.py", "value = 1", "value = 10")
LATE = replaced("late", DEVICE, "VERSION = 7", "VERSION = 8")


def newer_release() -> dict[str, bytes]:
    files = release("mmengine", NEWER)
    files[DEVICE] = DEVICE_LATER
    del files["mmengine/untouched.py"]
    files["mmengine/new/deep.py"] = b"deep = 1\n"
    files[SCRIPT] = b"#!/bin/sh\n"
    return files


def upgrade_world(root: Path, patch: pytest.MonkeyPatch) -> World:
    """A world that knows mmengine 0.10.7 too; nothing is ported yet."""
    from dataclasses import replace

    from packaging.specifiers import SpecifierSet

    world = make_world(root, patch)
    data = archive_of(newer_release(), f"mmengine-{NEWER}")
    sha256 = hashlib.sha256(data).hexdigest()
    pins._table()["mmengine"]["releases"][NEWER] = {"sha256": sha256}
    world.cache.archive_path(pins.known_pin("mmengine", NEWER)).write_bytes(data)
    early = replace(EARLY, requires={"mmengine": SpecifierSet("<0.10.7")})
    late = replace(LATE, requires={"mmengine": SpecifierSet(">=0.10.7")})
    world.rules = (*RULES, early, late)
    return world


def upgraded(world: World, **values: Any) -> Upgraded:
    """Move the world's mmengine."""
    request: dict[str, Any] = {
        "targets": {world.target.name: world.target},
        "rules": world.rules,
        "into": world.into,
        "pins": {"mmengine": NEWER},
        "offline": True,
    }
    return upgrade(UpgradeRequest(**{**request, **values}), world.cache)
