"""The settings that an optimizer really has, whatever was configured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: What of a parameter group is recorded, if the optimizer has it; the rest is how it is computed.
GROUP_KEYS = (
    "lr",
    "momentum",
    "dampening",
    "nesterov",
    "weight_decay",
    "betas",
    "eps",
    "amsgrad",
    "alpha",
    "centered",
)


def groups_of(optimizer: Any) -> dict[str, str]:
    """``group 0`` -> the settings of the group and the size of its parameters, in words."""
    groups = getattr(optimizer, "param_groups", ())
    return {f"group {number}": _group(group) for number, group in enumerate(groups)}


def _group(group: Mapping[str, Any]) -> str:
    settings = [f"{key} {group[key]}" for key in GROUP_KEYS if key in group]
    sizes = [parameter.numel() for parameter in group["params"]]
    return ", ".join([*settings, f"{len(sizes)} parameters of {sum(sizes)} elements"])
