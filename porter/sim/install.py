"""Putting the simulated chip into this process: ``install(target)``.

A process can have one: torch lets the device type be named once.
"""

from __future__ import annotations

import atexit
import time
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from porter.errors import CouldNotRun, TargetFileError
from porter.model import Target
from porter.sim import native as flags
from porter.sim.autocast import register_autocast
from porter.sim.autoload import announce
from porter.sim.build import build_chip, import_torch
from porter.sim.native import Native
from porter.sim.spec import DTYPES, DYNAMIC_SHAPE_OPS, SYNC_OPS, Profile, Spec

MIB = 1024 * 1024
GRACE_SECONDS = 0.05


@dataclass(frozen=True)
class Counters:
    """What the device was asked to do since the counters were last reset.

    Attributes:
        op_calls: Kernels run.
        dynamic_shape_ops: Of those, with a result whose shape depends on the data.
        host_syncs: Of those, for which the host has to wait for the device.
        new_signatures: Pairs of operator and argument shapes never met before in this
            process: what a chip that compiles for each shape has to compile. Transfers
            between host and device are none.
    """

    op_calls: int
    dynamic_shape_ops: int
    host_syncs: int
    new_signatures: int


@dataclass(frozen=True)
class _Installed:
    spec: Spec
    native: Native


_installed: list[_Installed] = []


def install(target: Target) -> Spec:
    """Make the target's device known to torch in this process and in its children.

    Afterwards ``torch.<device>``, the plugin's stand-in module, the communication backend and
    the target's gaps are there. A second call for the same target does nothing.

    Raises:
        TargetFileError: If ``[simulate]`` is malformed or names an operator torch has not.
        CouldNotRun: If there is no torch or compiler, the device cannot be simulated, or this
            process has another target's already.
    """
    return install_spec(Spec.of(target))


def install_spec(spec: Spec) -> Spec:
    """As ``install``, for a spec that comes from a parent process."""
    if _installed:
        return _same(spec)
    torch = import_torch()
    library = build_chip()
    _refuse_taken(torch, spec)
    native = Native(library)
    native.start(
        spec.profile.device_count,
        spec.profile.memory_limit_mib * MIB,
        not spec.profile.own_generator,
    )
    apply_profile(native, spec)
    _register(torch, spec, native)
    _installed.append(_Installed(spec, native))
    atexit.register(_let_backward_end)
    announce(spec)
    return spec


def _let_backward_end() -> None:
    """Let the thread of the last backward finish before Python does.

    It drops Python objects after the caller has its gradients; a thread that asks for the
    interpreter's lock while Python ends is killed, and takes the process along (SIGABRT).
    """
    time.sleep(GRACE_SECONDS)


def _same(spec: Spec) -> Spec:
    if _installed[0].spec != spec:
        raise CouldNotRun(
            f"this process simulates {_installed[0].spec.name} already; "
            f"it cannot become {spec.name}",
            hint="torch names a plugin's device once a process: start another one.",
        )
    return spec


def _refuse_taken(torch: Any, spec: Spec) -> None:
    name = torch._C._get_privateuse1_backend_name()
    if name != "privateuseone":
        raise CouldNotRun(
            f"torch has a plugin's device named {name!r} already",
            hint=f"Simulate {spec.name} where no plugin is installed, or set "
            "TORCH_DEVICE_BACKEND_AUTOLOAD=0.",
        )


def _register(torch: Any, spec: Spec, native: Native) -> None:
    from porter.sim.device import device_module
    from porter.sim.distributed import register_backend
    from porter.sim.mmcv_ops import serve_mmcv_ops
    from porter.sim.plugin import add_plugin

    register_autocast(native, Path(torch.__file__).parent)
    torch.utils.rename_privateuse1_backend(spec.device)
    module = device_module(spec, native)
    torch._register_device_module(spec.device, module)
    torch.utils.generate_methods_for_privateuse1_backend(for_storage=True)
    add_plugin(spec, module)
    register_backend(spec)
    serve_mmcv_ops(spec, native)


def apply_profile(native: Native, spec: Spec) -> None:
    """Take from the device what the target's profile says it lacks.

    Raises:
        TargetFileError: If an entry matches no operator that has a kernel.
    """
    profile = spec.profile
    _mark(native, spec, "no_kernel", profile.no_kernel, flags.DENIED)
    _mark(native, spec, "contiguous_only", profile.contiguous_only, flags.CONTIGUOUS)
    _count(native, spec, profile)
    for gap in profile.dtype_gaps:
        if not native.deny_dtype(gap.op, DTYPES[gap.dtype]):
            raise _unknown(native, spec, "dtype_gaps", gap.op)


def _count(native: Native, spec: Spec, profile: Profile) -> None:
    for key, ops, default, flag in (
        ("dynamic_shape_ops", profile.dynamic_shape_ops, DYNAMIC_SHAPE_OPS, flags.DYNAMIC),
        ("sync_ops", profile.sync_ops, SYNC_OPS, flags.SYNC),
    ):
        if ops is None:  # porter's list: not every release of torch has all of it
            for op in default:
                native.mark(op, flag)
        else:
            _mark(native, spec, key, ops, flag)


def _mark(native: Native, spec: Spec, key: str, ops: Iterable[str], flag: int) -> None:
    for op in ops:
        if not native.mark(op, flag):
            raise _unknown(native, spec, key, op)


def _unknown(native: Native, spec: Spec, key: str, op: str) -> TargetFileError:
    names = {name.split(".")[0] for name in native.op_names()} | set(native.op_names())
    near = get_close_matches(op, names, n=3)
    hint = "It may be composed of others: name those."
    if near:
        hint += f" Near: {', '.join(near)}."
    return TargetFileError(
        f"{spec.path}: simulate.{key}: no operator with a kernel is named {op!r}", hint=hint
    )


def installed() -> Spec | None:
    """The spec of the device that this process simulates, if it does."""
    return _installed[0].spec if _installed else None


def counters(*, reset: bool = False) -> Counters:
    """What the device did since the last reset.

    Raises:
        CouldNotRun: If nothing is simulated in this process.
    """
    native = _native()
    values = Counters(*native.counters())
    if reset:
        native.reset_counters()
    return values


def op_calls() -> dict[str, int]:
    """Operator with overload -> calls since the last reset, of those that were called.

    Raises:
        CouldNotRun: If nothing is simulated in this process.
    """
    return _native().op_calls()


def set_memory_limit(limit: int) -> None:
    """Change the memory of every device, in bytes; 0 for no limit.

    Raises:
        CouldNotRun: If nothing is simulated in this process.
    """
    _native().set_limit(limit)


def _native() -> Native:
    if not _installed:
        raise CouldNotRun("no chip is simulated in this process", hint="Call install first.")
    return _installed[0].native
