"""Seeds, digests and what a step tells; on small modules, without any mm package."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

torch = pytest.importorskip("torch")
np = pytest.importorskip("numpy")
pytestmark = pytest.mark.torch


class Numbers:
    """A data set whose items are what the three generators give."""

    metainfo = "kept"

    def __getitem__(self, index: int) -> tuple[float, float, float]:
        return random.random(), float(np.random.rand()), float(torch.rand(()))


class Boxes:
    def __init__(self, tensor: Any) -> None:
        self.tensor = tensor


class Sample(dict[str, Any]):
    """As mmengine's data elements: items, and meta data beside them."""

    def __init__(self, path: str, boxes: Any, masks: Any = None) -> None:
        super().__init__(bboxes=Boxes(boxes), masks=masks)
        self.metainfo = {"img_path": path, "img_shape": (4, 4)}


class NotAMapping:
    """The same, but no dict, as mmengine has it."""

    def __init__(self, sample: Sample) -> None:
        self.metainfo, self._items = sample.metainfo, sample.items

    def items(self) -> Any:
        return self._items()


def sample(path: str = "/data/a.jpg", shift: float = 0.0) -> NotAMapping:
    return NotAMapping(Sample(path, torch.arange(4.0) + shift))


def digest(batch: Any, root: str = "/data") -> str:
    from porter.training.digests import digest_batch

    return digest_batch(batch, root)


def test_draws_do_not_depend_on_what_the_model_drew() -> None:
    from porter.training.seeds import seed_draws

    taken = []
    for noise in (0, 5):
        data = Numbers()
        seed_draws(data, seed=1, rank=0)
        first = data[0]
        torch.rand(noise), np.random.rand(noise), [random.random() for _ in range(noise)]
        taken.append((first, data[0]))
    assert taken[0] == taken[1]
    assert taken[0][0] != taken[0][1], "each draw has a seed of its own"


def test_draws_leave_the_generators_as_they_were_and_the_data_set_what_it_is() -> None:
    from porter.training.seeds import seed_draws, seed_everything

    data = Numbers()
    seed_draws(data, seed=1, rank=0)
    seed_everything(3)
    expected = Numbers()[0]
    seed_everything(3)
    data[0]
    assert Numbers()[0] == expected
    assert isinstance(data, Numbers)
    assert (type(data).__name__, data.metainfo) == ("Numbers", "kept")


def test_ranks_draw_apart() -> None:
    from porter.training.seeds import seed_draws

    drawn = []
    for rank in (0, 1):
        data = Numbers()
        seed_draws(data, seed=1, rank=rank)
        drawn.append(data[0])
    assert drawn[0] != drawn[1]


def test_a_batchs_digest_sees_pixels_boxes_masks_and_names_but_not_the_root() -> None:
    images = [torch.zeros(3, 2, 2, dtype=torch.uint8)]
    base = digest({"inputs": images, "data_samples": [sample()]})
    assert base == digest({"inputs": [images[0].clone()], "data_samples": [sample()]})
    other_root = {"inputs": images, "data_samples": [sample("/elsewhere/a.jpg")]}
    assert base == digest(other_root, "/elsewhere")
    assert base != digest({"inputs": [images[0] + 1], "data_samples": [sample()]})
    assert base != digest({"inputs": images, "data_samples": [sample(shift=1)]})
    assert base != digest({"inputs": images, "data_samples": [sample("/data/b.jpg")]})
    masked = NotAMapping(Sample("/data/a.jpg", torch.arange(4.0), np.ones((2, 2))))
    assert base != digest({"inputs": images, "data_samples": [masked]})


def test_a_digest_of_weights_sees_names_types_and_bytes() -> None:
    from porter.training.digests import digest_weights

    state = {"b": torch.ones(2, dtype=torch.bfloat16), "a": torch.zeros(0, 4)}
    same = {"a": torch.zeros(0, 4), "b": torch.ones(2, dtype=torch.bfloat16)}
    assert digest_weights(state) == digest_weights(same)
    for changed in (
        {**state, "a": torch.zeros(0, 5)},
        {**state, "b": torch.ones(2, dtype=torch.float16)},
        {**state, "b": -state["b"]},
        {"b": state["b"], "c": state["a"]},
    ):
        assert digest_weights(changed) != digest_weights(state)


def test_gradient_norms_by_parameter_and_over_all() -> None:
    from porter.training.evidence import gradient_norms, total_norm

    model = torch.nn.Linear(2, 1)
    model.weight.grad = torch.tensor([[3.0, 4.0]]) * 512
    assert gradient_norms(model, 512.0) == {"weight": 5.0}
    model.bias.grad = torch.tensor([12.0]) * 512
    assert total_norm(gradient_norms(model, 512.0)) == 13.0
    model.bias.grad[0] = math.nan
    assert math.isnan(total_norm(gradient_norms(model)))


def test_losses_are_the_very_numbers() -> None:
    from porter.training.evidence import host_values

    values = {"loss": torch.tensor(0.1), "acc": torch.tensor([1]), "plain": 2}
    assert host_values(values) == {"loss": float(torch.tensor(0.1)), "acc": 1.0, "plain": 2.0}


def test_the_probe_counts_modules_that_ran_in_half_precision() -> None:
    from porter.training.evidence import PrecisionProbe

    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU(), torch.nn.Linear(2, 2))
    probe = PrecisionProbe(model)
    model(torch.ones(1, 2))
    model[0](torch.ones(1, 2))
    assert probe.take() == (0, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        model[0](torch.ones(1, 2))
    assert probe.take() == (1, 1)
    assert probe.take() == (0, 0)


def test_updates_and_devices() -> None:
    from porter.training.evidence import copy_to_host, devices_of, memory_of, update_norms

    model = torch.nn.Linear(2, 1)
    before = copy_to_host(model.state_dict())
    with torch.no_grad():
        model.weight += torch.tensor([[3.0, 4.0]])
    assert update_norms(dict(model.named_parameters()), before) == {
        "weight": pytest.approx(5.0),
        "bias": 0.0,
    }
    assert devices_of(model.parameters()) == {"cpu": 2}
    assert memory_of("cpu") == 0
    assert memory_of("sdaa") == 0, "no such device here: nothing tells"
