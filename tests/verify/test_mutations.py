"""The most telling of the small wrong edits, really trained: caught, and by the check that should."""

from __future__ import annotations

import pytest

from tests.verify.mutations import MUTATIONS
from tests.verify.study_mutations import broken
from tests.verify.world import World, failed

pytestmark = [pytest.mark.torch, pytest.mark.upstream, pytest.mark.slow]

#: Mutation -> a check that has to fail, in two steps of small images.
TOLD = {
    "points: x and y swapped": "direction of gradients",
    "offsets: gradient detached": "gradient per parameter",
    "host copies: only the first written back": "gradient per parameter",
    "norm: momentum of running figures": "running figures",
    "weight decay dropped": "same schedule",
    "NMS: threshold a fifth lower": "prediction at the start",
    "AMP: clipped before it is unscaled": "gradient as applied",
    "DCNv2: halves of the offset swapped": "direction of gradients",
}
BY_NAME = {mutation.name: mutation for mutation in MUTATIONS}


@pytest.mark.parametrize(("name", "check"), TOLD.items(), ids=TOLD.keys())
def test_a_small_wrong_edit_fails(world: World, name: str, check: str) -> None:
    mutation = BY_NAME[name]
    found = world.verify(broken(world, mutation), mutation.model, **mutation.run)
    assert found.verdict.outcome == "fail"
    assert check in failed(found)


def test_each_mutation_still_finds_its_text(world: World) -> None:
    for mutation in MUTATIONS:
        text = (world.ported() / mutation.file).read_text(encoding="utf-8")
        assert mutation.edit(text) != text
