"""What an audit must know of the target and of the port, small enough to go to every worker."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from porter.manifest import FileRecord, Manifest
from porter.model import Rule, Target
from porter.plan import Tree
from porter.plan.selection import fits, trait_reason
from porter.sim.spec import read_profile

#: Rules by which others' mentions of a thing are taken care of: kind -> rules, by generation.
RELIEF = {"nccl": ("mmengine/dist-backend", "mmcv/legacy-dist-backend")}

#: What upstream calls the devices it knows, in names such as ``is_npu_available``.
DEVICES = ("cuda", "npu", "mlu", "mps", "musa", "dipu", "xpu", "sdaa", "gcu", "hpu")

#: Trait -> what mmcv's names call the operators that it says have no kernel.
_MISSING_OPS = {
    "deform-conv-kernel-missing": ("deform_conv", "modulated_deform_conv"),
    "ms-deform-attn-kernel-missing": ("ms_deform_attn",),
    "nms-kernel-missing": ("nms", "nms_rotated", "nms_quadri"),
    "roi-align-kernel-missing": ("roi_align", "roi_align_rotated"),
    "focal-loss-kernel-missing": ("sigmoid_focal_loss",),
    "spconv-kernels-missing": ("indice_conv", "fused_indice_conv", "get_indice_pairs"),
}


@dataclass(frozen=True)
class Edited:
    """Lines of a ported file that a rule wrote."""

    first: int
    last: int
    rule: str


@dataclass(frozen=True)
class Facts:
    """A target as an audit sees it.

    Attributes:
        cuda: Whether ``torch.cuda`` is the accelerator.
        native_ops: mmcv operators that the vendor's build, or upstream, has kernels for.
        upstream_ops: Those of them that are upstream's.
        missing_ops: Those that a trait says it has none for.
        wrong_ops: Those that misread an input that is no clone.
        relief: Kind -> the rule that takes care of it elsewhere, or ``native``.
        known: The device types that code may ask for.
    """

    target: str
    device: str
    backend: str
    visible_devices: str
    cuda: bool
    traits: frozenset[str]
    native_ops: frozenset[str] = frozenset()
    upstream_ops: frozenset[str] = frozenset()
    missing_ops: frozenset[str] = frozenset()
    wrong_ops: frozenset[str] = frozenset()
    relief: Mapping[str, str] = field(default_factory=dict)
    known: frozenset[str] = frozenset(DEVICES)


def facts_of(
    target: Target,
    rules: Sequence[Rule],
    manifest: Manifest | None,
    has_mmengine: bool,
    mmcv: Tree | None = None,
) -> Facts:
    """The facts that an audit rests on.

    Args:
        manifest: Of the audited tree; None if it is not ported.
        mmcv: The tree whose sources tell which kernels upstream has for the device.
        has_mmengine: Whether mmengine is in the audited tree, so that the tree itself tells
            what is taken care of. Where it is not, the ported one is taken for granted.
    """
    profile = read_profile(target.simulate, Path(target.path))
    upstream = _upstream_ops(target.device, mmcv) if mmcv is not None else frozenset()
    missing = [op for trait in target.traits for op in _MISSING_OPS.get(trait, ())]
    return Facts(
        target=target.name,
        device=target.device,
        backend=target.backend,
        visible_devices=target.visible_devices,
        cuda=target.family == "cuda-compatible",
        traits=frozenset(target.traits),
        native_ops=frozenset(profile.vendor_mmcv_ops) | upstream,
        upstream_ops=upstream,
        missing_ops=frozenset(missing),
        wrong_ops=frozenset(profile.clone_only_mmcv_ops),
        relief=dict(_relief(target, rules, manifest, has_mmengine)),
        known=frozenset((*DEVICES, target.device)),
    )


def _upstream_ops(device: str, mmcv: Tree) -> frozenset[str]:
    """The operators that mmcv's own C++ registers kernels of for a device."""
    name = device.upper().encode()
    registered = re.compile(
        rb"REGISTER_DEVICE_IMPL\(\s*(\w+)_impl,\s*%b\b|REGISTER_%b_IMPL\(\s*(\w+)_impl"
        % (name, name)
    )
    folder = f"mmcv/ops/csrc/pytorch/{device}/"
    found = [
        (one or other).decode()
        for path in mmcv.paths()
        if path.startswith(folder)
        for one, other in registered.findall(mmcv.read(path))
    ]
    return frozenset(op_of(kernel) for kernel in found)


def op_of(name: str) -> str:
    """The operator that a function of mmcv's extension belongs to: without its direction."""
    for ending in ("_forward", "_backward"):
        if ending in name:
            return name.partition(ending)[0]
    return name


def _relief(
    target: Target, rules: Sequence[Rule], manifest: Manifest | None, has_mmengine: bool
) -> list[tuple[str, str]]:
    known = {rule.id: rule for rule in rules}
    version = target.pins["default"].get("mmengine", "")
    if manifest and "mmengine" in manifest.pins:
        version = manifest.pins["mmengine"]
    found = []
    for kind, name in ((kind, name) for kind, names in RELIEF.items() for name in names):
        rule = known.get(name)
        if rule is None:
            continue
        native = rule.native.get(target.device)
        if native is not None and version and fits(version, native):
            found.append((kind, "native"))
        elif (manifest is not None and name in manifest.rules) or (
            not has_mmengine and not trait_reason(rule, target)
        ):
            found.append((kind, name))
    # Of two generations the one that was applied, or else mmengine's, comes to stand.
    return found[::-1]


def edited_lines(record: FileRecord | None) -> tuple[Edited, ...]:
    """The lines of a ported file that rules wrote; all of them for a file that a rule added."""
    if record is None:
        return ()
    if record.added:
        return (Edited(1, 10**9, record.rule),)
    return tuple(Edited(e.first_line, e.last_line, e.rule) for e in record.edits)
