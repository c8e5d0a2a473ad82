"""Whether a checkpoint's weights are this model's: the trees load what fits, and say little."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from porter.training.errors import CannotTrain

#: What distributed wrappers put before every name.
WRAPPED = "module."


def weights_in(path: str, load: Callable[..., Any]) -> Mapping[str, Any]:
    """The weights in a checkpoint by name.

    Args:
        load: The tree's own reader: of a path and ``map_location``.

    Raises:
        CannotTrain: If it cannot be read, or holds no weights.
    """
    try:
        loaded = load(path, map_location="cpu")
    except Exception as problem:  # whatever torch, pickle or zipfile raise
        raise CannotTrain(
            f"{path}: cannot be read as a checkpoint: {type(problem).__name__}: {problem}"
        ) from problem
    state = loaded.get("state_dict", loaded) if isinstance(loaded, Mapping) else None
    if not isinstance(state, Mapping) or not state:
        raise CannotTrain(f"{path}: a checkpoint without weights")
    return {_unwrapped(name): value for name, value in state.items()}


def _unwrapped(name: str) -> str:
    return name[len(WRAPPED) :] if name.startswith(WRAPPED) else name


def check_weights(path: str, weights: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """See that a model got all of its weights.

    Args:
        wanted: The model's own state.

    Raises:
        CannotTrain: If some are missing or of another shape.
    """
    missing = [name for name in wanted if name not in weights]
    other = [
        name
        for name, value in wanted.items()
        if name in weights and tuple(weights[name].shape) != tuple(value.shape)
    ]
    if missing or other:
        parts = [
            f"{len(names)} {what}, such as {names[0]}"
            for names, what in ((missing, "are missing"), (other, "have another shape"))
            if names
        ]
        raise CannotTrain(
            f"{path}: of the model's {len(wanted)} weights {' and '.join(parts)}.",
            hint="It is a checkpoint of another model or another config.",
        )
