"""What is asked of a port, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from porter.manifest import Manifest
from porter.model import Plan, Rule, Target
from porter.port.changes import EditPolicy, Status


@dataclass(frozen=True)
class Request:
    """A port to make.

    Attributes:
        into: The vendor folder, ``site-packages`` or checkout.
        pins: Package -> version, where the user named one; the target's default pins hold
            for others. A folder that has a package in another version than the one named
            here is refused; with a version that nobody named, it is ported as it is.
        origin: ``archive``, ``git`` or the path of a folder.
        mirror: URL that replaces the host part, for ``git``.
        only: Ids of the rules to make; all that the target needs if empty.
        edits: What to do about files that were edited by hand.
        packages: The packages to port; those of the default pins and of ``pins`` if empty.
        project: Whether the folder is a project of the user's own, to be ported by the rules
            for such.
    """

    target: Target
    rules: tuple[Rule, ...]
    into: Path
    pins: Mapping[str, str] = field(default_factory=dict)
    origin: str = "archive"
    mirror: str = ""
    offline: bool = False
    dry_run: bool = False
    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    edits: EditPolicy = "refuse"
    packages: tuple[str, ...] = ()
    project: bool = False

    @property
    def versions(self) -> dict[str, str]:
        """Package -> the version to fetch, of the packages to port."""
        versions = {**self.target.pins.get("default", {}), **self.pins}
        return {name: versions[name] for name in self.packages or versions if name in versions}


@dataclass(frozen=True)
class Outcome:
    """What a port came to.

    Attributes:
        status: ``planned`` after a dry run that would change something.
        seconds: What ``fetch``, ``plan`` and ``write`` took.
        merged: Files whose edits by hand stay, relative to the tree.
        finished: Whether a run that was killed had to be finished first.
    """

    status: Status
    manifest: Manifest
    plan: Plan
    seconds: Mapping[str, float]
    merged: tuple[str, ...] = ()
    finished: bool = False
