"""What keeps a training from starting, said so that the user can act on it."""

from __future__ import annotations


class CannotTrain(Exception):
    """A job, a config or an environment that cannot be trained with.

    Args:
        message: What is wrong, naming the file or the key.
        hint: What to do about it, one sentence.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(f"{message} {hint}" if hint else message)
