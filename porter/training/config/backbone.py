"""A small backbone in place of a large one, and the channels that what follows it expects.

ResNet becomes ResNet-18. Where something needs its bottlenecks (deformable convolutions,
plugins), it becomes ResNet-50 with a quarter of the channels, which gives the same outputs.
Families that have neither only lose depth.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from porter.training.config.walk import dicts, kind

RESNETS = ("ResNet", "ResNetV1d")
#: Families with bottlenecks of their own; their least depth is 50.
BOTTLENECKS = ("ResNeXt", "Res2Net", "ResNeSt", "DetectoRS_ResNet", "DetectoRS_ResNeXt")
FULL = (256, 512, 1024, 2048)
QUARTER = 4
#: Families that normalize by running figures in training too, unless a config says otherwise.
NORM_EVAL = (*RESNETS, *BOTTLENECKS, "Darknet")
NEEDS_BOTTLENECK = ("dcn", "plugins", "sac", "stage_with_sac", "rfp_inplanes")


def shrink_backbones(model: dict[str, Any]) -> None:
    """Make every backbone in a model small, thawed, and learn everywhere; in place."""
    for owner in list(_owners(model)):
        backbone = owner["backbone"]
        _thaw(backbone)
        if kind(backbone) in BOTTLENECKS:
            _least_depth(backbone)
        elif kind(backbone) in RESNETS and backbone.get("depth", 0) >= 50:
            _shrink(owner, backbone)


def _owners(model: Any) -> Iterator[dict[str, Any]]:
    return (found for found in dicts(model) if isinstance(found.get("backbone"), dict))


def _thaw(backbone: dict[str, Any]) -> None:
    if "frozen_stages" in backbone:
        # EfficientNet counts from 0, and knows no less.
        backbone["frozen_stages"] = 0 if kind(backbone) == "EfficientNet" else -1
    if "norm_eval" in backbone or kind(backbone) in NORM_EVAL:
        backbone["norm_eval"] = False
    if kind(backbone) in (*RESNETS, "ResNeXt", "RegNet"):
        # Starting from zero, the convolutions inside a block would get no gradient at first,
        # and a port that breaks them would not be seen.
        backbone["zero_init_residual"] = False
    norm = backbone.get("norm_cfg")
    if isinstance(norm, dict) and "requires_grad" in norm:
        norm["requires_grad"] = True


def _least_depth(backbone: dict[str, Any]) -> None:
    if backbone.get("depth", 0) > 50:
        backbone["depth"] = 50


def _shrink(owner: dict[str, Any], backbone: dict[str, Any]) -> None:
    """Shrink a ResNet if the modules beside it can be told of the new channels."""
    # A shared head is a further stage of the same ResNet and takes its full channels.
    if "shared_head" in str(owner) or "base_channels" in backbone or not _retune(owner, backbone):
        _least_depth(backbone)
        return
    if any(backbone.get(key) for key in NEEDS_BOTTLENECK):
        backbone.update(depth=50, base_channels=64 // QUARTER)
        _fit_groups(backbone.get("norm_cfg"))
    else:
        backbone["depth"] = 18


def _retune(owner: dict[str, Any], backbone: dict[str, Any]) -> bool:
    """Divide the channels that the backbone's neighbours expect of it; whether there were any."""
    full = [FULL[index] for index in backbone.get("out_indices", (0, 1, 2, 3))]
    found = False
    for key, value in owner.items():
        if key != "backbone":
            found = _divide(value, full, direct=key == "neck") or found
    return found


def _divide(value: Any, full: list[int], *, direct: bool) -> bool:
    found = False
    for part in dicts(value):
        channels = part.get("in_channels")
        if isinstance(channels, (list, tuple)) and list(channels) == full:
            part["in_channels"] = [number // QUARTER for number in channels]
            found = True
        elif direct and channels == full[-1] and part is _first(value):
            part["in_channels"] = channels // QUARTER
            found = True
    return found


def _first(neck: Any) -> Any:
    return neck[0] if isinstance(neck, (list, tuple)) and neck else neck


def _fit_groups(norm: Any) -> None:
    """Fewer groups of a group norm than the narrow stage has channels."""
    if isinstance(norm, dict) and norm.get("num_groups", 0) > 64 // QUARTER:
        norm["num_groups"] = 64 // QUARTER
