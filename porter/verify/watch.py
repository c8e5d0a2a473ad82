"""Who is told how a verification gets on."""

from __future__ import annotations

from typing import Protocol


class Watcher(Protocol):
    """Told of stages, one after another and perhaps one within another."""

    def begin(self, stage: str, total: int = 0) -> None:
        """A stage begins.

        Args:
            total: How many units it takes, of whatever kind; 0 if that is not known.
        """

    def advance(self, stage: str, done: int, note: str = "") -> None:
        """So many of its units are done; ``note`` says what is worth seeing of the last one."""

    def end(self, stage: str, outcome: str = "") -> None:
        """It is over; ``outcome`` says in a few words how, such as ``from the cache``."""


class Silent:
    """Tells nobody."""

    def begin(self, stage: str, total: int = 0) -> None:
        """Nothing."""

    def advance(self, stage: str, done: int, note: str = "") -> None:
        """Nothing."""

    def end(self, stage: str, outcome: str = "") -> None:
        """Nothing."""
