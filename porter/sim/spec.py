"""A target's ``[simulate]`` table, checked, and what else of a target the simulated chip needs.

The whole travels to child processes as JSON, so that a worker needs neither the target file
nor a TOML parser.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from porter.errors import CouldNotRun, TargetFileError
from porter.model import Target
from porter.rulebook.tomlfile import Table

#: dtype name -> ``c10::ScalarType``; the numbers are part of PyTorch's file formats.
DTYPES = {
    "uint8": 0,
    "int8": 1,
    "int16": 2,
    "int32": 3,
    "int64": 4,
    "float16": 5,
    "float32": 6,
    "float64": 7,
    "complex64": 9,
    "complex128": 10,
    "bool": 11,
    "bfloat16": 15,
}

#: Operators whose result's shape depends on the data. The index operators count only when an
#: index is a mask.
DYNAMIC_SHAPE_OPS = (
    "aten::nonzero",
    "aten::masked_select",
    "aten::_unique",
    "aten::_unique2",
    "aten::unique_dim",
    "aten::unique_consecutive",
    "aten::unique_dim_consecutive",
    "aten::repeat_interleave",
    "aten::bincount",
    "aten::index",
    "aten::_index_put_impl_",
)

#: Operators for which the host waits until the device has the answer. A copy from the device
#: to the host always counts.
SYNC_OPS = (
    "aten::_local_scalar_dense",
    "aten::equal",
    *DYNAMIC_SHAPE_OPS,
)

#: Device types that PyTorch has built in: a plugin's device cannot take their names.
BUILT_IN = ("cpu", "cuda", "hip", "hpu", "ipu", "lazy", "meta", "mps", "mtia", "xla", "xpu")

MOST_DEVICES = 64


@dataclass(frozen=True)
class DtypeGap:
    """An operator that has no kernel for tensors of one dtype.

    Attributes:
        op: Such as ``aten::sum`` (every overload, in-place and ``out=`` too) or
            ``aten::sum.dim_IntList`` (this overload alone).
        dtype: As ``torch`` spells it: ``int64``.
    """

    op: str
    dtype: str


@dataclass(frozen=True)
class Profile:
    """What the simulated chip lacks and counts.

    Attributes:
        device_count: How many devices there are.
        memory_limit_mib: Memory of one device in MiB; 0 for no limit.
        own_generator: Random numbers of the device's own, as on a real chip. Off, the device
            draws from the CPU's generator, which is what makes runs equal to the CPU's.
        no_kernel: Operators that raise ``NotImplementedError``.
        dtype_gaps: Operators that lack a dtype.
        contiguous_only: Operators that refuse tensors that are not contiguous.
        dynamic_shape_ops: Operators counted as of dynamic shape; None for porter's list.
        sync_ops: Operators counted as a host synchronization; None for porter's list.
        vendor_mmcv_ops: mmcv operators that the vendor's build ships kernels for.
        clone_only_mmcv_ops: Of those, the ones that misread a first argument that is no clone.
    """

    device_count: int = 1
    memory_limit_mib: int = 0
    own_generator: bool = False
    no_kernel: tuple[str, ...] = ()
    dtype_gaps: tuple[DtypeGap, ...] = ()
    contiguous_only: tuple[str, ...] = ()
    dynamic_shape_ops: tuple[str, ...] | None = None
    sync_ops: tuple[str, ...] | None = None
    vendor_mmcv_ops: tuple[str, ...] = ()
    clone_only_mmcv_ops: tuple[str, ...] = ()


@dataclass(frozen=True)
class Spec:
    """All that the simulated chip knows of its target.

    Attributes:
        amp_module: The dotted name under which code imports the plugin's amp module.
        traits: The names of the target's traits.
        path: The target file, for messages.
    """

    name: str
    device: str
    plugin: str
    backend: str
    chip: str
    amp_dtypes: tuple[str, ...] = ()
    amp_module: str = ""
    traits: tuple[str, ...] = ()
    profile: Profile = field(default_factory=Profile)
    path: str = ""

    @classmethod
    def of(cls, target: Target) -> Spec:
        """The spec of a target.

        Raises:
            TargetFileError: If ``[simulate]`` has a key or a value that cannot be used.
            CouldNotRun: If the target's device is PyTorch's own.
        """
        if target.family != "plugin" or target.device in BUILT_IN:
            raise CouldNotRun(
                f"target {target.name}: the device {target.device!r} cannot be simulated",
                hint="It is built into PyTorch; only a plugin's own device type can be simulated.",
            )
        return cls(
            name=target.name,
            device=target.device,
            plugin=target.plugin,
            backend=target.backend,
            chip=target.chip,
            amp_dtypes=tuple(target.amp_dtypes),
            amp_module=target.variables.get("amp_module", ""),
            traits=tuple(target.traits),
            profile=read_profile(target.simulate, Path(target.path)),
            path=target.path,
        )

    def to_json(self) -> str:
        """The spec as canonical JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Spec:
        """The spec that ``to_json`` wrote."""
        values = json.loads(text)
        profile = {key: _frozen(value) for key, value in values.pop("profile").items()}
        profile["dtype_gaps"] = tuple(DtypeGap(**gap) for gap in profile["dtype_gaps"])
        return cls(**{k: _frozen(v) for k, v in values.items()}, profile=Profile(**profile))


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def read_profile(simulate: Mapping[str, object], path: Path) -> Profile:
    """The profile that a ``[simulate]`` table spells.

    Args:
        path: The target file, for messages.

    Raises:
        TargetFileError: If a key is unknown or a value cannot be used, naming file and key.
    """
    table = Table(dict(simulate), path, "simulate", TargetFileError)
    profile = Profile(
        device_count=_number(table, "device_count", 1, at_least=1, at_most=MOST_DEVICES),
        memory_limit_mib=_number(table, "memory_limit_mib", 0, at_least=0, at_most=2**30),
        own_generator=table.flag("own_generator"),
        no_kernel=_ops(table, "no_kernel"),
        dtype_gaps=tuple(_gap(gap) for gap in table.tables("dtype_gaps")),
        contiguous_only=_ops(table, "contiguous_only"),
        dynamic_shape_ops=_chosen_ops(table, "dynamic_shape_ops"),
        sync_ops=_chosen_ops(table, "sync_ops"),
        vendor_mmcv_ops=table.texts("vendor_mmcv_ops", []),
        clone_only_mmcv_ops=table.texts("clone_only_mmcv_ops", []),
    )
    table.close()
    for op in profile.clone_only_mmcv_ops:
        if op not in profile.vendor_mmcv_ops:
            raise table.fail(
                f"{op!r} is not among vendor_mmcv_ops: there is no kernel to misread anything",
                "clone_only_mmcv_ops",
            )
    return profile


def _number(table: Table, key: str, default: int, *, at_least: int, at_most: int) -> int:
    value = table.raw(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or not at_least <= value <= at_most:
        raise table.fail(f"must be a whole number from {at_least} to {at_most}, not {value!r}", key)
    return value


def _chosen_ops(table: Table, key: str) -> tuple[str, ...] | None:
    return _ops(table, key) if key in table else None


def _ops(table: Table, key: str) -> tuple[str, ...]:
    ops = table.texts(key, [])
    for op in ops:
        _check_op(table, key, op)
    return ops


def _gap(table: Table) -> DtypeGap:
    op, dtype = table.text("op"), table.text("dtype")
    _check_op(table, "op", op)
    if dtype not in DTYPES:
        raise table.fail(f"{dtype!r} is none of {', '.join(DTYPES)}", "dtype")
    table.close()
    return DtypeGap(op, dtype)


def _check_op(table: Table, key: str, op: str) -> None:
    if not op.startswith("aten::"):
        raise table.fail(
            f"{op!r} is not an operator's name", key, hint='Write it like "aten::sum".'
        )
