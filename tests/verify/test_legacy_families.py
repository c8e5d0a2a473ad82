"""The other families of mmdet 2.10.0, ported to NPU: each trains as upstream does."""

from __future__ import annotations

import os
from typing import Any

import pytest

from porter.verify import run
from tests.verify.test_runs import is_identical, places, problems
from tests.verify.world import World

pytestmark = [pytest.mark.torch, pytest.mark.upstream, pytest.mark.slow]

#: SSD's last level is one pixel high at 300 pixels.
SIZES = {"ssd": 300}
ALWAYS = ("faster_rcnn", "mask_rcnn", "retinanet")
IF_ASKED = ("atss", "fcos", "gfl", "ssd", "yolo")


@pytest.fixture(autouse=True)
def uncounted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the run that counts upstream's operators, which none of these tests looks at."""
    monkeypatch.setattr(run, "SHAPES_MATTER", "")


def verified(world: World, model: str) -> None:
    asked: dict[str, Any] = {"image_size": SIZES[model]} if model in SIZES else {}
    found = world.verify(world.legacy(), model, target=None, **asked)
    assert problems(found) == []
    # GFL's sums run over all places, of which upstream picks out the positive ones first.
    assert is_identical(found) or model == "gfl"
    assert places(found.ported) == ["npu:0"]


@pytest.mark.parametrize("model", ALWAYS)
def test_a_family_trains_as_upstream_does(world: World, model: str) -> None:
    verified(world, model)


@pytest.mark.skipif(
    not os.environ.get("PORTER_TEST_ALL_FAMILIES"),
    reason="trains for minutes: set PORTER_TEST_ALL_FAMILIES=1",
)
@pytest.mark.parametrize("model", IF_ASKED)
def test_the_others_do(world: World, model: str) -> None:
    verified(world, model)
