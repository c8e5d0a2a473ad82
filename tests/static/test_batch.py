"""mmdet 3's batches on a static canvas: padded before the device sees them, and upstream's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.static.trees import asked, written

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.torch, pytest.mark.upstream, pytest.mark.slow]

PROBE = Path(__file__).parent / "batch_probe.py"


@pytest.fixture(scope="module")
def sides(upstream_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("batch")
    return {name: written(folder / name, upstream_cache, name, "3.3.0") for name in ("cpu", "npu")}


def test_batches_are_identical_with_a_canvas_and_without(
    sides: dict[str, Path], upstream_cache: Path
) -> None:
    upstream, ported = (
        torch.load(asked(PROBE, packages, "equal", packages / "equal", upstream_cache))
        for packages in sides.values()
    )
    assert upstream["answers"].keys() == ported["answers"].keys()
    for case, batches in upstream["answers"].items():
        for (one, metas, _), (other, same, kept) in zip(batches, ported["answers"][case]):
            assert torch.equal(one, other), case
            assert metas == same, case
            assert kept, "the loader's batch stays as it is"
    assert "does not fit" in ported["too large"]
    assert upstream["too large"] == ported["too large"]


def test_images_of_new_sizes_bring_no_new_shape(
    sides: dict[str, Path], upstream_cache: Path
) -> None:
    upstream, ported = (
        json.loads(
            asked(PROBE, packages, "shapes", packages / "shapes", upstream_cache).read_text()
        )
        for packages in sides.values()
    )
    assert ported[1:] == [0] * (len(ported) - 1)
    assert all(upstream), "what the rule is for"
