"""The NPU's own operators and names, as mmengine and mmcv use them."""

from __future__ import annotations

from typing import Any

import torch

SHAPES = {"input": (2, 4, 7, 8), "weight": (6, 2, 3, 3), "points": 9}


def options(**other: Any) -> dict[str, Any]:
    plain = {
        "kernel_size": [3, 3],
        "stride": [1, 1, 2, 2],
        "padding": [1, 1, 1, 1],
        "dilation": [1, 1, 1, 1],
    }
    return {**plain, "groups": 2, "deformable_groups": 2, "modulated": True, **other}


def tensors(zero: bool) -> list[torch.Tensor]:
    torch.manual_seed(0)
    offset = torch.randn(2, 2 * 2 * 9, 4, 4) * (0 if zero else 1)
    mask = torch.ones(2, 2 * 9, 4, 4) if zero else torch.rand(2, 2 * 9, 4, 4)
    return [
        torch.randn(2, 4, 7, 8),
        torch.randn(6, 2, 3, 3),
        torch.cat([offset, mask], 1),
        torch.randn(6),
    ]


def check_without_offsets_it_is_a_convolution() -> None:
    import torch_npu

    x, w, offset, bias = tensors(zero=True)
    output, columns = torch_npu.npu_deformable_conv2d(
        x.npu(), w.npu(), offset.npu(), bias.npu(), **options()
    )
    expected = torch.nn.functional.conv2d(x, w, bias, stride=2, padding=1, groups=2)
    assert output.is_npu
    assert columns.is_npu
    torch.testing.assert_close(output.cpu(), expected)


def check_an_offset_by_whole_pixels_shifts_the_input() -> None:
    import torch_npu

    x, w, offset, _ = tensors(zero=True)
    offset[:, :18] = 1  # x, to the right
    output, _ = torch_npu.npu_deformable_conv2d(
        x.npu(), w.npu(), offset.npu(), None, **options(padding=[0] * 4)
    )
    shifted = torch.nn.functional.pad(x, (-1, 1, 0, 0))
    expected = torch.nn.functional.conv2d(shifted, w, stride=2, groups=2)
    torch.testing.assert_close(output.cpu()[..., :3, :3], expected[..., :3, :3])


def check_gradients_agree_with_finite_differences() -> None:
    import torch_npu

    parts = [part.npu() for part in tensors(zero=False)]
    grad = torch.randn(2, 6, 4, 4).npu()
    found = torch_npu.npu_deformable_conv2dbk(parts[0], grad, None, parts[1], parts[2], **options())
    for place, of_part in zip((0, 1, 2, 3), found):
        step = torch.randn_like(parts[place]) * 1e-2
        ahead, behind = ([*parts], [*parts])
        ahead[place], behind[place] = parts[place] + step, parts[place] - step
        high, low = (torch_npu.npu_deformable_conv2d(*p, **options())[0] for p in (ahead, behind))
        slope = ((high - low).double() * grad).sum().item() / 2
        assert abs(slope - (of_part.double() * step).sum().item()) < 2e-2 * max(1, abs(slope))


def check_mmengine_finds_what_it_probes_for() -> None:
    import torch_npu
    import torch_npu.npu.utils as npu_utils

    torch.npu.set_compile_mode(jit_compile=False)
    assert npu_utils.get_soc_version() >= 220
    assert not hasattr(torch_npu, "optim")
    assert torch.npu.is_available()
    assert torch.device(torch_npu.npu.native_device).type == "npu"
    assert "Ascend" in torch.npu.get_device_name()
    assert issubclass(torch.npu.amp.autocast, torch.autocast)


def check_autocast_knows_bfloat16() -> None:
    x = torch.ones(2, 2, device="npu")
    with torch.autocast("npu", dtype=torch.bfloat16):
        assert (x @ x).dtype == torch.bfloat16
