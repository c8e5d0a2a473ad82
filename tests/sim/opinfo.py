"""ATen operators on the device against the CPU, forward and backward, bit for bit.

PyTorch's own sample inputs are run on the CPU and on the device from the same seed. Run as
``python -m tests.sim.opinfo sdaa [--all] [--seconds 60]``; the last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import torch
from torch.testing._internal.common_methods_invocations import op_db
from torch.utils._pytree import tree_flatten, tree_map

from porter.rulebook.catalog import get_target
from porter.sim import install, op_calls

SEED = 20240611

#: Not comparable, and why.
LEFT_OUT = {
    "empty": "uninitialized memory",
    "empty_like": "uninitialized memory",
    "empty_permuted": "uninitialized memory",
    "empty_strided": "uninitialized memory",
    "new_empty": "uninitialized memory",
    "new_empty_strided": "uninitialized memory",
    "resize_": "the grown part is uninitialized",
    "resize_as_": "the grown part is uninitialized",
    "to_sparse": "sparse tensors are not simulated",
    "sparse.mm": "sparse tensors are not simulated",
    "sparse.sampled_addmm": "sparse tensors are not simulated",
    "tensor_split": "wants its indices on the CPU",
    "to": "its samples name the device to go to",
    "torch.ops.aten._safe_softmax.default": "no name in torch to call it by in older releases",
}


def key_of(op: Any) -> str:
    """The operator's name, with its variant if it has one."""
    return f"{op.name}.{op.variant_test_name}" if op.variant_test_name else op.name


def on(device: str, value: Any, grad: bool) -> Any:
    """The sample's value with its tensors copied to a device; leaves want gradients as before."""

    def move(item: Any) -> Any:
        if isinstance(item, torch.Tensor):
            moved = item.detach().clone().to(device) if device != "cpu" else item.detach().clone()
            return moved.requires_grad_(grad and item.requires_grad)
        return torch.device(device) if isinstance(item, torch.device) else item

    return tree_map(move, value)


def run(op: Any, sample: Any, device: str, grad: bool) -> list[torch.Tensor]:
    """Outputs, then the gradients of the inputs, all as CPU tensors."""
    inputs, args, kwargs = (
        on(device, part, grad) for part in (sample.input, sample.args, sample.kwargs)
    )
    if device != "cpu" and "device" in kwargs:
        kwargs["device"] = device
    torch.manual_seed(SEED)
    out = op(inputs, *args, **kwargs)
    outputs = [item for item in tree_flatten(out)[0] if isinstance(item, torch.Tensor)]
    for item in outputs:
        assert item.device.type == device, f"a result is on {item.device}"
    leaves = [
        t
        for t in tree_flatten((inputs, args, kwargs))[0]
        if isinstance(t, torch.Tensor) and t.requires_grad
    ]
    ends = [sample.output_process_fn_grad(out)] if grad else []
    ends = [t for t in tree_flatten(ends)[0] if isinstance(t, torch.Tensor) and t.requires_grad]
    grads: Iterable[Any] = ()
    if ends and leaves:
        grads = torch.autograd.grad(
            ends, leaves, [torch.ones_like(t) for t in ends], allow_unused=True
        )
    return [t.detach().cpu() for t in (*outputs, *(g for g in grads if g is not None))]


def same(first: torch.Tensor, second: torch.Tensor) -> bool:
    """Equal in shape, dtype and every bit."""
    alike = first.shape == second.shape and first.dtype == second.dtype
    return alike and torch.equal(bits(first), bits(second))


def bits(tensor: torch.Tensor) -> torch.Tensor:
    plain = torch.empty(tensor.numel(), dtype=tensor.dtype)
    plain.copy_(tensor.reshape(-1))
    return plain.view(torch.uint8)


def samples(op: Any, most: int) -> Iterator[Any]:
    """PyTorch's samples in float32, or in another dtype where the operator has no float32."""
    dtypes = sorted(
        op.supported_dtypes("cpu"), key=lambda dtype: (dtype != torch.float32, str(dtype))
    )
    for dtype in dtypes[:1]:
        grad = op.supports_autograd and dtype.is_floating_point
        yield from islice(op.sample_inputs("cpu", dtype, requires_grad=grad), most)


def compare(op: Any, device: str, most: int) -> tuple[int, str]:
    """How many samples were compared, and what is different, if anything."""
    grad, compared = bool(op.supports_autograd), 0
    torch.manual_seed(SEED)
    for number, sample in enumerate(list(samples(op, most))):
        try:
            expected = run(op, sample, "cpu", grad)
        except Exception:
            continue  # a sample that the CPU refuses
        try:
            found = run(op, sample, device, grad)
        except Exception as problem:
            return (
                compared,
                f"sample {number}: {type(problem).__name__}: {str(problem).splitlines()[0][:200]}",
            )
        if len(expected) != len(found) or not all(map(same, expected, found)):
            return compared, f"sample {number}: results differ"
        compared += 1
    return compared, ""


def main() -> None:
    """Compare and report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("target")
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--most", type=int, default=4, help="samples an operator")
    parser.add_argument("ops", nargs="*", help="all, if none is named")
    chosen = parser.parse_args()
    device = install(get_target(chosen.target)).device
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    start, done, failed, left = time.monotonic(), {}, {}, 0
    for op in op_db:
        key = key_of(op)
        if op.name in LEFT_OUT or (chosen.ops and key not in chosen.ops):
            continue
        if time.monotonic() - start > chosen.seconds:
            left += 1
            continue
        done[key], problem = compare(op, device, chosen.most)
        if problem:
            failed[key] = problem
            print(key, problem, file=sys.stderr, flush=True)
    report = {
        "samples": done,
        "failed": failed,
        "left": left,
        "bytes": sum(
            getattr(torch, device).memory_allocated(i)
            for i in range(getattr(torch, device).device_count())
        ),
        "calls": op_calls(),
        "seconds": round(time.monotonic() - start, 1),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
