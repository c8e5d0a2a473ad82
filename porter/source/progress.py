"""How the slow parts of ``porter.source`` tell a face how far they are."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with what is fetched, how much is done, and the total (0 if not known).

The unit is bytes for an archive and objects for git.
"""


def silent(_what: str, _done: int, _total: int) -> None:
    """The progress of somebody who does not look."""
