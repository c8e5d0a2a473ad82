"""Without a rule that a run needs, ``porter verify`` fails: one run for each, and what it says.

``docs/verify-rules.md`` has the others, which no training reaches, and why.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.verify.test_fails import details
from tests.verify.world import World, dependents

pytestmark = [pytest.mark.torch, pytest.mark.upstream, pytest.mark.slow]

#: Rules left out, with all that need them; the model; what else is asked; a check that fails,
#: and words of its detail.
NEEDED: list[tuple[str, str, Mapping[str, Any], str, str]] = [
    ("mmdet/point-assigner-device", "reppoints", {}, "came to its end", "indices should be"),
    ("mmcv/deform-conv-on-host", "reppoints", {}, "came to its end", "must be a CPU tensor"),
    ("mmengine/log-memory", "reppoints", {}, "memory in the log", "no column"),
    ("mmengine/device-max-memory", "reppoints", {}, "memory in the log", "no column"),
    ("mmengine/amp-available", "reppoints", {"amp": True}, "came to its end", "AssertionError"),
    ("mmengine/amp-grad-scaler", "reppoints", {"amp": True}, "AMP on", "scaler is disabled"),
    (
        "mmengine/autocast-bf16",
        "reppoints",
        {"amp": True},
        "came to its end",
        "device_type must be",
    ),
    (
        "mmengine/instance-data-index",
        "reppoints",
        {"eval": True},
        "came to its end",
        "AssertionError",
    ),
    ("mmengine/checkpoint-objects", "reppoints", {"resume": True}, "came to its end", "Unpickling"),
    (
        "mmengine/dist-pytorch-launcher",
        "reppoints",
        {"nproc": 2},
        "came to its end",
        "_cuda_setDevice",
    ),
    ("mmengine/dist-comm-device", "reppoints", {"nproc": 2}, "came to its end", "tccl moves sdaa"),
    (
        "mmengine/dist-backend mmdet/config-backend",
        "reppoints",
        {"nproc": 2},
        "came to its end",
        "Distributed package doesn't have NCCL",
    ),
    ("mmcv/roi-align-own-input", "faster_rcnn", {}, "first step", "upstream's"),
    ("mmdet/autocast-off", "yolox", {"amp": True}, "came to its end", "unsafe to autocast"),
]


@pytest.mark.parametrize(
    ("rules", "model", "asked", "check", "words"), NEEDED, ids=[row[0] for row in NEEDED]
)
def test_without_it(
    world: World, rules: str, model: str, asked: Mapping[str, Any], check: str, words: str
) -> None:
    into = world.without(*dependents(rules.split()))
    assert words in details(world.verify(into, model, **asked))[check]
