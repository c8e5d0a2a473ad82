"""A small world to port in: three releases of our own, rules, targets, and folders."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from packaging.specifiers import SpecifierSet

from porter.apply import Outcome, RevertOutcome, apply, revert
from porter.model import Condition, Operation, Pin, Rule, Target
from porter.port.request import Request
from porter.rulebook.operations import AddFile, Rewrite, Substitute
from porter.source import Cache

NOBODY = 65534
Snapshot = dict[str, tuple[bytes, int]]

VERSIONS = {"mmengine": "0.10.5", "mmcv": "2.1.0", "mmdet": "3.3.0"}
DEVICE = "mmengine/device.py"
ROI = "mmcv/ops/roi.py"
SCRIPT = "mmdet/.mim/tools/dist_train.sh"
PROBE = "mmengine/chip/probe.py"

FILES: dict[str, dict[str, bytes]] = {
    "mmengine": {
        DEVICE: b"import os\n\nDEVICE = 'cuda'\n\n\ndef get_device():\n    return DEVICE\n",
        "mmengine/city.py": "NAME = 'Zürich'\n".encode(),
        "mmengine/untouched.py": b"value = 1\n",
    },
    "mmcv": {ROI: b"def roi(x):\n    return forward(x)\n", "mmcv/ops/__init__.py": b""},
    "mmdet": {SCRIPT: b"#!/bin/sh\npython train.py\n"},
}
"""Files of our own, in places where upstream has files too."""


def release(package: str, version: str = "") -> dict[str, bytes]:
    """The files of a release."""
    version = version or VERSIONS[package]
    return {
        "setup.py": f"from setuptools import setup\nsetup(name='{package}')\n".encode(),
        f"{package}/__init__.py": b"from .version import __version__\n",
        f"{package}/version.py": f"__version__ = '{version}'\n".encode(),
        **FILES[package],
    }


def mode_of(path: str) -> int:
    """The permission bits that a release gives a file."""
    return 0o755 if path.endswith(".sh") else 0o644


def archive_of(files: Mapping[str, bytes], top: str) -> bytes:
    """A source archive; the same bytes for the same files."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path, data in sorted(files.items()):
            info = tarfile.TarInfo(f"{top}/{path}")
            info.size, info.mode = len(data), mode_of(path)
            tar.addfile(info, io.BytesIO(data))
    return packed.getvalue()


def rule(name: str, package: str, operation: Operation, files: tuple[str, ...] = ()) -> Rule:
    """A rule that every target needs."""
    return Rule(
        id=f"{package}/{name}",
        why="a test",
        source="a test",
        packages=(package,),
        when=Condition(),
        requires={package: SpecifierSet(">=0")},
        native={},
        files=files,
        operations=(operation,),
        cases=(),
        digest=hashlib.sha256(repr(operation).encode()).hexdigest(),
    )


def replaced(name: str, path: str, old: str, new: str) -> Rule:
    """A rule that replaces one piece of code, or of text, in one file."""
    kind: Operation = Substitute(find=old, replace=new)
    if path.endswith(".py"):
        kind = Rewrite(match=old, replace=new)
    return rule(name, path.partition("/")[0], replace(kind, files=(path,)), (path,))


DEVICE_RULE = replaced("device", DEVICE, "'cuda'", "'$device'")
ROI_RULE = replaced("roi-own-input", ROI, "forward(x)", "forward(x.clone())")
SCRIPT_RULE = replaced("python3", SCRIPT, "python train", "python3 train")
PROBE_RULE = rule("probe", "mmengine", AddFile(path=PROBE, content="def probe():\n    return 1\n"))
CITY_RULE = replaced("city", "mmengine/city.py", "NAME = $CITY", "CITY = NAME = $CITY")
RULES = (DEVICE_RULE, ROI_RULE, SCRIPT_RULE, PROBE_RULE)


def target(name: str = "sdaa", digest: str = "") -> Target:
    """A target without traits."""
    return Target(
        name=name,
        vendor="a vendor",
        chip="a chip",
        summary="a test",
        documentation="",
        device=name,
        plugin=f"torch_{name}",
        backend="gloo",
        visible_devices="",
        amp_dtypes=(),
        family="plugin",
        traits={},
        pins={"default": VERSIONS},
        simulate={},
        variables={"device": name},
        digest=digest or hashlib.sha256(name.encode()).hexdigest(),
    )


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files with the modes of a release."""
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
        (folder / path).chmod(mode_of(path))


def snapshot(folder: Path) -> Snapshot:
    """Every file below a folder, with its bytes and permission bits, and every empty folder."""
    found: Snapshot = {}
    for path in sorted(folder.rglob("*")):
        name, mode = path.relative_to(folder).as_posix(), path.stat().st_mode & 0o7777
        if path.is_file():
            found[name] = (path.read_bytes(), mode)
        elif not any(path.iterdir()):
            found[f"{name}/"] = (b"", mode)
    return found


@dataclass
class World:
    """A folder to port, and the means to do so."""

    root: Path
    rules: tuple[Rule, ...] = RULES
    target: Target = field(default_factory=target)

    @property
    def into(self) -> Path:
        return self.root / "vendor"

    @property
    def cache(self) -> Cache:
        return Cache(self.root / "cache")

    def request(self, **values: Any) -> Request:
        """A request that stays off the network."""
        defaults = Request(self.target, self.rules, self.into, offline=True)
        return replace(defaults, **values)

    def apply(self, **values: Any) -> Outcome:
        """Port the folder."""
        return apply(self.request(**values), self.cache)

    def revert(self, **values: Any) -> RevertOutcome:
        """Undo the port."""
        return revert(self.into, **values)

    def check_out(self, *packages: str) -> None:
        """Put pristine packages into the folder, each in a folder of its own."""
        for package in packages or VERSIONS:
            write_files(self.into / package, release(package))

    def install(self, *packages: str, version: str = "") -> None:
        """Put packages into the folder as wheels do: the package's own folder only."""
        for package in packages or VERSIONS:
            files = release(package, version)
            write_files(self.into, {p: d for p, d in files.items() if p != "setup.py"})

    def edit(self, path: str, old: bytes, new: bytes) -> None:
        """Edit a file by hand."""
        data = (self.into / path).read_bytes()
        assert old in data
        (self.into / path).write_bytes(data.replace(old, new))

    def read(self, path: str) -> bytes:
        return (self.into / path).read_bytes()

    def files(self) -> Snapshot:
        return snapshot(self.into)

    def fill_cache(self, package: str, version: str) -> Pin:
        """Put a release's archive into the cache."""
        data = archive_of(release(package, version), f"{package}-{version}")
        pin = Pin(package, version, sha256=hashlib.sha256(data).hexdigest(), tag=f"v{version}")
        path = self.cache.archive_path(pin)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_bytes(data)
        return pin


def make_world(root: Path, patch: pytest.MonkeyPatch) -> World:
    """A world whose releases are pinned, and in the cache."""
    world = World(root)
    table: dict[str, dict[str, Any]] = {}
    for package, version in VERSIONS.items():
        pin = world.fill_cache(package, version)
        known = {version: {"sha256": pin.sha256}}
        table[package] = {"repository": f"somebody/{package}", "releases": known}
    patch.setattr("porter.source.pins._table", lambda: table)
    return world


@contextmanager
def open_world(patch: pytest.MonkeyPatch) -> Iterator[World]:
    """A world that other users may look into, as they may not into pytest's folders."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield make_world(Path(name), patch)


@contextmanager
def unprivileged() -> Iterator[None]:
    """Not as root, for whom nothing is read-only."""
    user = os.geteuid()
    os.seteuid(NOBODY if user == 0 else user)
    try:
        yield
    finally:
        os.seteuid(user)


def give_away(folder: Path) -> None:
    """Make a folder that of the user that ``unprivileged`` runs as."""
    for path in (folder, *folder.rglob("*")) if os.geteuid() == 0 else ():
        os.chown(path, NOBODY, NOBODY)
