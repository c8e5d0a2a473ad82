"""Which images a loader gives, and in which order: the same on both sides, and when resumed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, islice
from typing import Any

from porter.training.seeds import drawing, seed_draws, seed_of


def order_draws(loader: Any, seed: int, rank: int, done: int, steps: int) -> None:
    """Have a loader give the images of steps ``done`` to ``steps``, each drawn from its own seed.

    The order is the tree's own sampler's, epoch after epoch, with that drawn from seeds too.
    Sampler and data set get classes derived from their own, as a loader's cannot be exchanged.

    Args:
        done: Steps of an earlier process, whose images are left out.
    """
    sampler, batch = loader.sampler, loader.batch_size
    kind = type(sampler)

    def endless(self: Any) -> Iterator[int]:
        for epoch in count():
            if hasattr(self, "set_epoch"):
                self.set_epoch(epoch)
            with drawing(seed_of("order", seed, epoch)):
                indices = list(kind.__iter__(self))
            yield from indices

    def some(self: Any) -> Iterator[int]:
        return islice(endless(self), done * batch, steps * batch)

    members = {"__iter__": some, "__len__": lambda self: (steps - done) * batch}
    sampler.__class__ = type(kind.__name__, (kind,), members)
    seed_draws(loader.dataset, seed, rank, done * batch)
