"""Digests by which two processes are known to have had the same weights, data and schedule."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

#: What of a sample's description is digested, if it is there; the rest are paths and copies.
META_KEYS = ("img_id", "img_shape", "scale_factor", "flip", "flip_direction")


def digest_weights(state: Mapping[str, Any]) -> str:
    """Over names, dtypes, shapes and bytes of a state dict, wherever its tensors are."""
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode())
        _add(digest, state[name], "")
    return digest.hexdigest()


def digest_values(values: object) -> str:
    """Over plain values: dicts in order of their keys, what is not JSON by its ``repr``."""
    text = json.dumps(values, sort_keys=True, default=repr)
    return hashlib.sha256(text.encode()).hexdigest()


def digest_batch(batch: object, root: str) -> str:
    """Over images, boxes, labels and masks of a batch as the loader gives it.

    Args:
        root: Folder of the data; the images' names are taken relative to it.
    """
    digest = hashlib.sha256()
    _add(digest, batch, root)
    return digest.hexdigest()


def _add(digest: Any, value: Any, root: str) -> None:
    if isinstance(value, torch.Tensor):
        _add_tensor(digest, value)
    elif isinstance(value, np.ndarray):
        digest.update(f"{value.dtype}{value.shape}".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    elif isinstance(value, Mapping):
        for key in sorted(value, key=str):
            digest.update(str(key).encode())
            _add(digest, value[key], root)
    elif isinstance(value, (list, tuple)):
        digest.update(f"[{len(value)}]".encode())
        for item in value:
            _add(digest, item, root)
    elif hasattr(value, "metainfo") and hasattr(value, "items"):
        _add_sample(digest, value, root)
    elif hasattr(value, "tensor"):  # boxes
        _add(digest, value.tensor, root)
    elif hasattr(value, "masks"):  # polygons or bitmaps
        _add(digest, value.masks, root)
    elif isinstance(value, str):
        digest.update(_relative(value, root).encode())
    else:
        digest.update(repr(value).encode())


def _relative(path: str, root: str) -> str:
    return path[len(root) :] if root and path.startswith(root) else path


def _add_tensor(digest: Any, tensor: torch.Tensor) -> None:
    plain = tensor.detach().cpu()
    digest.update(f"{plain.dtype}{tuple(plain.shape)}".encode())
    if plain.dtype == torch.bfloat16:  # numpy has none; the bytes are the same
        plain = plain.view(torch.int16)
    digest.update(plain.numpy().tobytes())


def _add_sample(digest: Any, sample: Any, root: str) -> None:
    """An mmengine data element: what it holds, and the meta data that tell how it was made."""
    meta = sample.metainfo
    for key in META_KEYS:
        if key in meta:
            digest.update(f"{key}{meta[key]}".encode())
    digest.update(_relative(str(meta.get("img_path", "")), root).encode())
    for key, value in sorted(sample.items()):
        digest.update(str(key).encode())
        _add(digest, value, root)
