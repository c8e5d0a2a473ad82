"""The module that runs mmcv's ops on the host: `rules/mmcv/host_fallback.py`, on CPU tensors.

Which tensors are on the chip is pretended: by a predicate that knows them one by one.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

SOURCE = Path(__file__).parents[2] / "rules" / "mmcv" / "host_fallback.py"


@pytest.fixture
def fallback() -> ModuleType:
    spec = importlib.util.spec_from_file_location("host_fallback", SOURCE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def on_chip(fallback: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Pretend that some tensors are on the chip."""

    def pretend(*tensors: Any) -> None:
        ids = {id(tensor) for tensor in tensors}
        monkeypatch.setattr(fallback, "needs_host", lambda tensor: id(tensor) in ids)

    return pretend


class Recorder:
    """An op that keeps what it was called with, fills `out` and returns `result`."""

    def __init__(self, result: Any = None) -> None:
        self.result, self.args, self.kwargs = result, (), {}

    def __call__(self, *args: Any, out: Any = None, **kwargs: Any) -> Any:
        self.args, self.kwargs = args, {**kwargs, "out": out}
        if out is not None:
            out.add_(1.0009765625)  # 1 + 2 ** -10, which float16 holds and bfloat16 does not
        return self.result


def test_the_device_is_known_by_its_type(fallback: ModuleType) -> None:
    fallback.HOST_SERVED_DEVICE = "meta"
    assert fallback.needs_host(torch.empty(1, device="meta"))
    assert not fallback.needs_host(torch.empty(1))


def test_tensors_on_other_devices_go_straight_to_the_op(fallback: ModuleType) -> None:
    op, given, out = Recorder("kept"), torch.ones(2, 3, dtype=torch.half).t(), torch.zeros(2)
    assert fallback.on_host(op, [out])(given, 7, out=out, step=32) == "kept"
    assert op.args[0] is given
    assert op.args[1] == 7
    assert op.kwargs["out"] is out
    assert op.kwargs["step"] == 32


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        pytest.param("float16", "float32", id="float16 is computed in float"),
        pytest.param("bfloat16", "float32", id="bfloat16 is computed in float"),
        pytest.param("float32", "float32", id="float stays"),
        pytest.param("float64", "float64", id="double stays"),
        pytest.param("int64", "int64", id="indices stay"),
        pytest.param("bool", "bool", id="masks stay"),
    ],
)
def test_dtypes_that_the_op_gets(
    fallback: ModuleType, on_chip: Callable[..., None], given: str, taken: str
) -> None:
    op, tensor = Recorder(), torch.ones(3, dtype=getattr(torch, given))
    on_chip(tensor)
    fallback.on_host(op)(tensor)
    assert op.args[0].dtype == getattr(torch, taken)


def test_the_op_gets_contiguous_copies_without_a_graph(
    fallback: ModuleType, on_chip: Callable[..., None]
) -> None:
    op = Recorder()
    turned = torch.randn(2, 3, 4, requires_grad=True).permute(2, 0, 1)
    channels_last = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)
    on_chip(turned)
    fallback.on_host(op)(turned, channels_last)
    for copy, original in zip(op.args, (turned, channels_last)):
        assert copy.is_contiguous()
        assert not copy.requires_grad
        assert torch.equal(copy, original)


@pytest.mark.parametrize(
    ("dtype", "wanted"),
    [
        pytest.param("float16", 1.0009765625, id="float16"),
        pytest.param("bfloat16", 1.0, id="bfloat16, rounded"),
        pytest.param("float32", 1.0009765625, id="float32"),
    ],
)
def test_results_come_back_in_place_in_their_own_dtype_and_layout(
    fallback: ModuleType, on_chip: Callable[..., None], dtype: str, wanted: float
) -> None:
    whole = torch.zeros(3, 2, dtype=getattr(torch, dtype))
    out = whole.t()
    on_chip(out)
    fallback.on_host(Recorder(), [out])(out=out)
    assert out.dtype == whole.dtype
    assert not out.is_contiguous()
    assert torch.equal(whole, torch.full_like(whole, wanted))


def test_what_is_not_named_as_written_stays(
    fallback: ModuleType, on_chip: Callable[..., None]
) -> None:
    buffer, out = torch.zeros(2, dtype=torch.half), torch.zeros(2, dtype=torch.half)
    on_chip(buffer, out)

    def op(buffer: Any, out: Any) -> None:
        buffer.fill_(5)
        out.fill_(6)

    fallback.on_host(op, [out])(buffer, out)
    assert buffer.tolist() == [0, 0]
    assert out.tolist() == [6, 6]


def test_a_tensor_that_is_given_twice_is_copied_once(
    fallback: ModuleType, on_chip: Callable[..., None]
) -> None:
    op, tensor = Recorder(), torch.ones(3, dtype=torch.half)
    on_chip(tensor)
    fallback.on_host(op)(tensor, again=tensor)
    assert op.args[0] is op.kwargs["again"]


def test_an_empty_buffer_is_an_argument_like_any_other(
    fallback: ModuleType, on_chip: Callable[..., None]
) -> None:
    op, tensor = Recorder(), torch.ones(2, dtype=torch.half)
    on_chip(tensor)
    fallback.on_host(op)(tensor, tensor.new_empty(0))
    assert op.args[1].shape == (0,)
    assert op.args[1].dtype == torch.float


@pytest.mark.parametrize(
    "result",
    [
        pytest.param(None, id="nothing"),
        pytest.param([1, 2], id="a list"),
        pytest.param(torch.tensor([2, 0]), id="indices"),
    ],
)
def test_what_the_op_returns_is_returned(
    fallback: ModuleType, on_chip: Callable[..., None], result: Any
) -> None:
    tensor = torch.ones(3)
    on_chip(tensor)
    got = fallback.on_host(Recorder(result))(tensor)
    assert torch.equal(got, result) if isinstance(result, torch.Tensor) else got == result


def scale_backward(grad: Any, weight: Any, grad_input: Any, grad_weight: Any = None) -> None:
    """As mmcv's backward ops do: sums into gradients that are zero, refuses half precision."""
    assert grad.dtype == weight.dtype == torch.float
    grad_input += grad * weight
    if grad_weight is not None:
        grad_weight += grad.sum(0)


@pytest.mark.parametrize("frozen", [False, True], ids=["trained weight", "frozen weight"])
def test_gradients_keep_their_dtype_and_none_stays_none(
    fallback: ModuleType, monkeypatch: pytest.MonkeyPatch, frozen: bool
) -> None:
    monkeypatch.setattr(fallback, "needs_host", lambda tensor: True)

    class Scale(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, input: Any, weight: Any) -> Any:
            ctx.save_for_backward(weight)
            return input * weight

        @staticmethod
        def backward(ctx: Any, grad_output: Any) -> Any:
            (weight,) = ctx.saved_tensors
            grad_input, grad_weight = torch.zeros_like(grad_output), None
            written = [grad_input]
            if ctx.needs_input_grad[1]:
                grad_weight = torch.zeros_like(weight)
                written.append(grad_weight)
            fallback.on_host(scale_backward, written)(grad_output, weight, *written)
            return grad_input, grad_weight

    input = torch.ones(4, 3, dtype=torch.half, requires_grad=True)
    weight = torch.full((3,), 2, dtype=torch.half, requires_grad=not frozen)
    Scale.apply(input, weight).t().sum().backward()
    assert input.grad.dtype == torch.half
    assert torch.equal(input.grad, torch.full_like(input, 2))
    assert (weight.grad is None) == frozen
    assert frozen or torch.equal(weight.grad, torch.full_like(weight, 4))
