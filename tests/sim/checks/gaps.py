"""What a target's ``[simulate]`` table takes away."""

from __future__ import annotations

import pytest
import torch

from porter.sim import counters, set_memory_limit

DEVICE = "sdaa"

#: The profile that these checks run under.
SIMULATE = """
device_count = 3
memory_limit_mib = 64
own_generator = true
no_kernel = ["aten::erf", "aten::clamp.Tensor", "aten::convolution"]
dtype_gaps = [{ op = "aten::sum", dtype = "int64" }, { op = "aten::add", dtype = "float64" }]
contiguous_only = ["aten::exp"]
dynamic_shape_ops = ["aten::nonzero", "aten::tanh"]
sync_ops = ["aten::sinh"]
"""


def ones(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.ones(*shape, dtype=dtype).to(DEVICE)


def check_the_device_count_is_the_profiles() -> None:
    assert torch.sdaa.device_count() == 3


def check_an_operator_without_a_kernel_raises_as_the_dispatcher_does() -> None:
    for call in (torch.erf, torch.Tensor.erf_, lambda t: torch.erf(t, out=ones(2))):
        with pytest.raises(
            NotImplementedError, match=r"Could not run 'aten::erf.* from the 'sdaa' backend"
        ):
            call(ones(2))


def check_the_cpu_keeps_its_kernels() -> None:
    assert torch.erf(torch.zeros(2)).tolist() == [0, 0]


def check_one_overload_can_be_missing_alone() -> None:
    assert ones(2).clamp(0, 1).tolist() == [1, 1]
    with pytest.raises(NotImplementedError, match=r"clamp\.Tensor"):
        ones(2).clamp(ones(2), ones(2))


def check_convolution_goes_by_its_usual_name() -> None:
    with pytest.raises(NotImplementedError, match="convolution"):
        torch.nn.functional.conv2d(ones(1, 1, 3, 3), ones(1, 1, 3, 3))


def check_a_dtype_gap_leaves_the_other_dtypes() -> None:
    assert ones(3).sum().item() == 3
    assert ones(3, dtype=torch.int32).sum(dtype=torch.int32).item() == 3
    with pytest.raises(
        NotImplementedError, match=r'"aten::sum.*not implemented for .Long.*simulate'
    ):
        ones(3, dtype=torch.int64).sum()


def check_a_dtype_gap_covers_in_place_forms() -> None:
    double = ones(3, dtype=torch.float64)
    for call in (lambda: double + double, lambda: double.add_(double)):
        with pytest.raises(NotImplementedError, match="Double"):
            call()


def check_contiguous_only_refuses_a_transposed_tensor() -> None:
    plain = ones(2, 3)
    assert plain.exp().shape == (2, 3)
    with pytest.raises(RuntimeError, match="needs contiguous tensors on 'sdaa'"):
        plain.t().exp()
    assert plain.t().contiguous().exp().shape == (3, 2)


def check_chosen_operators_count_as_dynamic_and_as_waiting() -> None:
    x = ones(4)
    counters(reset=True)
    x.tanh(), x.sinh(), x.unique()
    now = counters()
    assert (now.dynamic_shape_ops, now.host_syncs) == (1, 1), "porter's own lists are replaced"


def check_memory_runs_out() -> None:
    kept = torch.empty(40 * 2**20, dtype=torch.uint8, device=DEVICE)
    with pytest.raises(
        torch.OutOfMemoryError, match=r"sdaa out of memory. Tried to allocate 41943040 bytes"
    ):
        torch.empty(40 * 2**20, dtype=torch.uint8, device=DEVICE)
    with pytest.raises(torch.OutOfMemoryError):
        kept + 1  # what a kernel makes counts too
    assert torch.empty(40 * 2**20, dtype=torch.uint8, device="sdaa:1").is_sdaa, (
        "each device has its own"
    )
    del kept
    assert torch.sdaa.memory_allocated() < 2**20


def check_a_limit_can_be_lifted() -> None:
    set_memory_limit(0)
    try:
        assert torch.empty(80 * 2**20, dtype=torch.uint8, device=DEVICE).is_sdaa
    finally:
        set_memory_limit(64 * 2**20)


def check_a_generator_of_its_own_leaves_the_cpus_alone() -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    drawn = torch.rand(3, device=DEVICE)
    assert torch.equal(torch.rand(3), expected)
    torch.sdaa.manual_seed(1)
    assert torch.equal(torch.rand(3, device=DEVICE), drawn)
    state = torch.sdaa.get_rng_state()
    again = torch.rand(3, device=DEVICE)
    torch.sdaa.set_rng_state(state)
    assert torch.equal(torch.rand(3, device=DEVICE), again)


def check_memory_is_empty_when_all_is_said() -> None:
    assert sum(torch.sdaa.memory_allocated(i) for i in range(3)) == 0
