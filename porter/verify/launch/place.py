"""Where the ported tree trains: on the chip, on the simulated one, or on the host."""

from __future__ import annotations

from dataclasses import dataclass

from porter.errors import CouldNotRun, UsageError
from porter.model import Target
from porter.sim.spec import Spec
from porter.verify.launch.interpreter import Interpreter
from porter.verify.launch.process import host_variables
from porter.verify.model import Place
from porter.verify.request import Device

#: The trait of a stack whose torch, 2.6 or newer, loads no checkpoint of mmengine's as it is.
LOADS_TENSORS_ALONE = "torch-load-refuses-objects"


@dataclass(frozen=True)
class Site:
    """A place, and what follows from it.

    Attributes:
        device: The ``torch.device`` type that parameters should be on.
        backend: The backend that ranks should talk by.
        devices: How many devices there are; 0 on the host.
        sim: The simulated chip; None elsewhere.
        note: What a reader of the verdict must know of the place; empty for the chip itself.
    """

    place: Place
    device: str
    backend: str
    devices: int = 0
    sim: Spec | None = None
    note: str = ""


def choose_site(asked: Device, target: Target, interpreter: Interpreter) -> Site:
    """The place that was asked for, or the best there is.

    Raises:
        CouldNotRun: If that place is not to be had, and why.
        TargetFileError: If the target's ``[simulate]`` table cannot be used.
    """
    if asked == "real" or (asked == "auto" and not missing_chip(target, interpreter)):
        return _chip(target, interpreter)
    if asked == "sim" or (asked == "auto" and can_be_simulated(target)):
        return _simulated(target, interpreter)
    return _host(target)


def missing_chip(target: Target, interpreter: Interpreter) -> str:
    """Why the chip cannot be used from an interpreter; empty if it can."""
    if target.family == "cpu":
        return "it has none but the host"
    if target.family == "cuda-compatible":
        return "" if interpreter.cuda else "its torch says that CUDA is not available"
    chip = interpreter.chip
    return "" if chip.available else chip.problem or f"there is no {target.device} device"


def check_fit(site: Site, *, amp: bool, nproc: int) -> None:
    """Refuse up front what cannot work at a place.

    Raises:
        UsageError: If AMP is asked of the host, or more processes than there are devices.
    """
    if amp and site.place == "cpu":
        raise UsageError(
            "--amp: mmengine has mixed precision on devices only, and the port is to train on "
            "the host",
            hint="Leave out --amp, or take another place with --device.",
        )
    if 0 < site.devices < nproc:
        raise UsageError(
            f"--nproc {nproc}: each process takes a device of its own, and there are "
            f"{site.devices} on {'the simulated' if site.sim else 'this'} machine",
            hint=f"Take --nproc {site.devices} or fewer"
            + (", or a target file with more devices in [simulate]." if site.sim else "."),
        )


def site_variables(site: Site, target: Target) -> dict[str, str]:
    """The environment of what trains there.

    Off the chip the torch is not that of the chip's stack. Where that one is older than 2.6 the
    port leaves ``torch.load`` alone, so a newer one has to load as it did.
    """
    found = host_variables([target.visible_devices]) if site.place == "cpu" else {}
    if site.place != "real" and LOADS_TENSORS_ALONE not in target.traits:
        found["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"
    return found


def can_be_simulated(target: Target) -> bool:
    """Whether the target's device can be simulated at all."""
    try:
        Spec.of(target)
    except CouldNotRun:
        return False
    return True


def _chip(target: Target, interpreter: Interpreter) -> Site:
    missing = missing_chip(target, interpreter)
    if missing:
        raise CouldNotRun(
            f"--device real: {interpreter.executable} cannot use a {target.name} device: {missing}",
            hint="Name the chip's own environment with --python, or take --device sim.",
        )
    return Site("real", target.device, target.backend, interpreter.chip.count)


def _simulated(target: Target, interpreter: Interpreter) -> Site:
    spec = Spec.of(target)
    if not missing_chip(target, interpreter):
        raise CouldNotRun(
            f"--device sim: {interpreter.executable} has the plugin of the chip itself, "
            "and one process can have one of them",
            hint="Name an environment without it with --python, or take --device real.",
        )
    note = (
        f"The {target.name} device was simulated: that proves wiring (devices, dtypes, missing "
        "operators, collectives), not the chip's numerics or speed."
    )
    return Site("sim", target.device, target.backend, spec.profile.device_count, spec, note)


def _host(target: Target) -> Site:
    if target.family == "cpu":
        return Site("cpu", "cpu", "gloo")
    note = (
        f"The ported tree trained on the host: that proves it does there what upstream does, and "
        f"nothing of the device {target.device!r}."
    )
    return Site("cpu", "cpu", "gloo", note=note)
