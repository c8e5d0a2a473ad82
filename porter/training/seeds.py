"""Random numbers of the data apart from those of the model.

A chip may draw for its model from a generator of its own, or draw more or fewer numbers than
the host. So each image is drawn from a seed of its own, and torch is seeded anew before each
step: two runs see the same images in the same order, and a resumed run the same dropout.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import numpy as np
import torch


def seed_of(*parts: object) -> int:
    """A number below 2**32 that belongs to the parts; neighbours have nothing in common."""
    text = "/".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def seed_everything(number: int) -> None:
    """Seed Python, numpy and torch, its devices included."""
    random.seed(number)
    np.random.seed(number)
    torch.manual_seed(number)


@contextmanager
def drawing(number: int) -> Iterator[None]:
    """Draw from a seed inside, and go on outside as if nothing had been drawn."""
    before = random.getstate(), np.random.get_state(), torch.get_rng_state()
    random.seed(number)
    np.random.seed(number)
    torch.default_generator.manual_seed(number)  # the host's alone; images are made there
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.set_rng_state(before[2])


def seed_draws(dataset: Any, seed: int, rank: int, first: int = 0) -> None:
    """Have each item taken from the dataset drawn from a seed of its own.

    The dataset gets a class derived from its own, as a loader's dataset cannot be exchanged.
    Loader workers would each count for themselves: the loader must have none.

    Args:
        first: The number of the first draw; an earlier process made those before it.
    """
    draws = count(first)
    kind = type(dataset)

    def draw(self: Any, index: Any) -> Any:
        with drawing(seed_of("draw", seed, rank, next(draws))):
            return kind.__getitem__(self, index)

    dataset.__class__ = type(kind.__name__, (kind,), {"__getitem__": draw})
