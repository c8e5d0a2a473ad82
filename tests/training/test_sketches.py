"""Sketches of gradients: the formula that the verdict knows, and what norms do not tell."""

from __future__ import annotations

import cmath

import pytest

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")


def sketch(values: object, scale: float = 1.0) -> complex:
    from porter.training.evidence import gradient_sketches

    grad = torch.as_tensor(values, dtype=torch.float32)
    module = torch.nn.Module()
    module.weight = torch.nn.Parameter(torch.zeros_like(grad))
    module.frozen = torch.nn.Parameter(torch.zeros(2))
    module.weight.grad = grad * scale
    found = gradient_sketches(module, scale)
    assert set(found) == {"weight"}
    return complex(*found["weight"])


def test_it_is_the_sum_that_the_verdict_expects() -> None:
    expected = sum(g * cmath.exp(1.618j * k) for k, g in enumerate([1.0, 2.0, 3.0, 4.0]))
    assert sketch([[1, 2], [3, 4]], scale=8.0) == pytest.approx(expected)


def test_long_gradients_give_the_same_sum() -> None:
    values = torch.randn(2500, generator=torch.Generator().manual_seed(0))
    expected = sum(g * cmath.exp(1.618j * k) for k, g in enumerate(values.tolist()))
    assert sketch(values) == pytest.approx(expected)


def test_signs_and_order_are_told_though_norms_are_equal() -> None:
    plain = sketch([[1, 2], [3, 4]])
    assert abs(sketch([[-1, -2], [-3, -4]]) - plain) > 1
    assert abs(sketch([[1, 3], [2, 4]]) - plain) > 1


def test_the_layout_in_memory_is_not_told() -> None:
    values = torch.arange(24.0).reshape(1, 2, 3, 4)
    assert sketch(values.to(memory_format=torch.channels_last)) == sketch(values)
