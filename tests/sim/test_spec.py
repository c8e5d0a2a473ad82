"""The ``[simulate]`` table is checked when it is read; nothing here needs torch."""

from __future__ import annotations

from pathlib import Path

import pytest

from porter.errors import CouldNotRun, TargetFileError
from porter.rulebook.catalog import load_targets
from porter.sim import DtypeGap, Profile, Spec
from porter.sim.mmcv_ops import belongs_to
from porter.sim.spec import BUILT_IN, read_profile

PATH = Path("targets/some.toml")


def test_an_empty_table_is_one_device_with_everything() -> None:
    assert read_profile({}, PATH) == Profile()


def test_every_key_is_read() -> None:
    table = {
        "device_count": 4,
        "memory_limit_mib": 100,
        "own_generator": True,
        "no_kernel": ["aten::nonzero"],
        "dtype_gaps": [{"op": "aten::sum", "dtype": "int64"}],
        "contiguous_only": ["aten::view"],
        "dynamic_shape_ops": [],
        "sync_ops": ["aten::equal"],
        "vendor_mmcv_ops": ["nms"],
        "clone_only_mmcv_ops": ["nms"],
    }
    assert read_profile(table, PATH) == Profile(
        device_count=4,
        memory_limit_mib=100,
        own_generator=True,
        no_kernel=("aten::nonzero",),
        dtype_gaps=(DtypeGap("aten::sum", "int64"),),
        contiguous_only=("aten::view",),
        dynamic_shape_ops=(),
        sync_ops=("aten::equal",),
        vendor_mmcv_ops=("nms",),
        clone_only_mmcv_ops=("nms",),
    )


@pytest.mark.parametrize(
    ("table", "message"),
    [
        pytest.param({"no_kernels": []}, r"unknown key `no_kernels`", id="unknown key"),
        pytest.param(
            {"device_count": 0}, r"simulate.device_count: must be a whole number", id="no device"
        ),
        pytest.param(
            {"device_count": 65}, r"simulate.device_count: .*from 1 to 64", id="too many devices"
        ),
        pytest.param(
            {"clone_only_mmcv_ops": ["nms"]},
            r"simulate.clone_only_mmcv_ops: 'nms' is not among vendor_mmcv_ops",
            id="a kernel that is not there",
        ),
        pytest.param({"device_count": True}, r"simulate.device_count", id="a flag for a number"),
        pytest.param(
            {"memory_limit_mib": "16 GB"}, r"simulate.memory_limit_mib", id="memory in words"
        ),
        pytest.param(
            {"own_generator": 1},
            r"simulate.own_generator: must be true or false",
            id="a number for a flag",
        ),
        pytest.param(
            {"no_kernel": "aten::sum"},
            r"simulate.no_kernel: must be a list",
            id="an operator alone",
        ),
        pytest.param(
            {"no_kernel": ["sum"]},
            r"simulate.no_kernel: 'sum' is not an operator",
            id="no namespace",
        ),
        pytest.param(
            {"dtype_gaps": [{"op": "aten::sum"}]},
            r"simulate.dtype_gaps\[1\]",
            id="a gap without dtype",
        ),
        pytest.param(
            {"dtype_gaps": [{"op": "aten::sum", "dtype": "long"}]},
            r"dtype_gaps\[1\].dtype: 'long' is none of",
            id="an unknown dtype",
        ),
        pytest.param(
            {"dtype_gaps": [{"op": "aten::sum", "dtype": "int64", "why": ""}]},
            r"unknown key `why`",
            id="more in a gap",
        ),
    ],
)
def test_a_bad_table_names_file_and_key(table: dict[str, object], message: str) -> None:
    with pytest.raises(TargetFileError, match=message) as caught:
        read_profile(table, PATH)
    assert str(PATH) in caught.value.message


@pytest.mark.parametrize("name", sorted(load_targets()))
def test_every_target_can_be_simulated_or_says_why_not(name: str) -> None:
    target = load_targets()[name]
    if target.family == "plugin" and target.device not in BUILT_IN:
        spec = Spec.of(target)
        assert spec.device == target.device
        assert Spec.from_json(spec.to_json()) == spec
    else:
        with pytest.raises(CouldNotRun, match=f"target {name}: .* cannot be simulated") as caught:
            Spec.of(target)
        assert caught.value.exit_code == 22


@pytest.mark.parametrize(
    ("function", "op", "belongs"),
    [
        ("nms", "nms", True),
        ("nms_rotated", "nms", False),
        ("nms_match", "nms", False),
        ("roi_align_forward", "roi_align", True),
        ("roi_align_backward", "roi_align", True),
        ("roi_align_rotated_forward", "roi_align", False),
        ("deform_conv_backward_parameters", "deform_conv", True),
        ("modulated_deform_conv_forward", "deform_conv", False),
    ],
)
def test_an_entry_covers_its_operator_and_no_other(function: str, op: str, belongs: bool) -> None:
    assert belongs_to(function, op) is belongs
