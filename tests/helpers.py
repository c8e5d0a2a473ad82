"""Small real values that many tests need."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from porter.model import Rule, Target
from porter.rulebook.catalog import load_rules, load_targets
from porter.rulebook.rulefile import read_rule
from porter.rulebook.targetfile import read_target

FIXTURES = Path(__file__).parent.parent / "fixtures"


def hear_interrupts() -> None:
    """For ``preexec_fn``: a process started in the background would ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class MemoryTree:
    """A tree held in memory."""

    def __init__(self, package: str, version: str, files: Mapping[str, str | bytes]) -> None:
        self.package, self.version = package, version
        self._files = {
            path: text if isinstance(text, bytes) else text.encode() for path, text in files.items()
        }

    def paths(self) -> Sequence[str]:
        return sorted(self._files)

    def read(self, path: str) -> bytes:
        return self._files[path]

    def mode(self, path: str) -> int:
        self._files[path]
        return 0o644


def rule_from(text: str, folder: Path, name: str = "rule", package: str = "mmengine") -> Rule:
    """The rule that some TOML spells, as if it were a file of that name."""
    path = folder / package / f"{name}.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return read_rule(path, package)


def target_from(text: str, folder: Path, name: str = "chip") -> Target:
    """The target that some TOML spells, as if it were a file of that name."""
    path = folder / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return read_target(path)


def all_rules() -> list[Rule]:
    """Porter's own rules."""
    return load_rules()


def all_targets() -> dict[str, Target]:
    """Porter's own targets."""
    return load_targets()
