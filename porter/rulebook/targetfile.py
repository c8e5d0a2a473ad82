"""A target file, checked: TOML in, ``Target`` out."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, get_args

from packaging.version import InvalidVersion, Version

from porter.errors import TargetFileError
from porter.model import Family, Target
from porter.rulebook.tomlfile import Table, read_toml

AMP_DTYPES = ("float16", "bfloat16")


def read_target(path: Path) -> Target:
    """The target that a file holds.

    Raises:
        TargetFileError: If the file is malformed or contradicts itself.
    """
    data, values = read_toml(path, TargetFileError)
    table = Table(values, path, "", TargetFileError)
    about, torch = table.table("target", required=True), table.table("torch", required=True)
    rules = table.table("rules")
    target = Target(
        name=about.checked(
            "name", lambda name: name == path.stem, f"{path.stem!r}, the file's name"
        ),
        vendor=about.text("vendor"),
        chip=about.text("chip"),
        summary=about.text("summary"),
        documentation=about.text("documentation", ""),
        **_torch(torch),
        traits=table.mapping("traits"),
        pins=_pins(table.table("pins", required=True)),
        simulate=dict(table.raw("simulate", {})),
        variables=_variables(path.stem, values),
        ask=rules.texts("ask", []),
        path=str(path),
        digest=hashlib.sha256(data.replace(b"\r\n", b"\n")).hexdigest(),
    )
    for part in (about, torch, rules, table):
        part.close()
    return target


def _torch(table: Table) -> dict[str, Any]:
    family = table.checked(
        "family", lambda text: text in get_args(Family), f"one of {', '.join(get_args(Family))}"
    )
    device = table.checked("device", str.isidentifier, "a device type such as 'sdaa'")
    plugin = table.text("plugin", "")
    if family == "plugin" and not plugin:
        raise table.fail("a target of the family 'plugin' names its plugin module", "plugin")
    dtypes = table.texts("amp_dtypes", [])
    for dtype in dtypes:
        if dtype not in AMP_DTYPES:
            raise table.fail(f"{dtype!r} is none of {', '.join(AMP_DTYPES)}", "amp_dtypes")
    table.text("amp_module", "")
    return {
        "family": family,
        "device": device,
        "plugin": plugin,
        "backend": table.text("backend"),
        "visible_devices": table.text("visible_devices", ""),
        "amp_dtypes": dtypes,
    }


def _variables(name: str, values: dict[str, Any]) -> dict[str, str]:
    torch, about = values["torch"], values["target"]
    device, plugin = torch.get("device", ""), torch.get("plugin", "")
    return {
        "name": name,
        "device": device,
        "device_upper": device.upper(),
        "plugin": plugin,
        "backend": torch.get("backend", ""),
        "visible_devices": torch.get("visible_devices", ""),
        "amp_module": torch.get("amp_module", "") or f"torch.{device}.amp",
        "vendor": about.get("vendor", ""),
    }


def _pins(table: Table) -> dict[str, dict[str, str]]:
    sets = {name: table.table(name) for name in table.left()}
    if "default" not in sets:
        raise table.fail("there is no set `default`")
    return {name: _versions(pins) for name, pins in sets.items()}


def _versions(table: Table) -> dict[str, str]:
    versions = table.strings()
    for package, version in versions.items():
        try:
            Version(version)
        except InvalidVersion as problem:
            raise table.fail(f"{version!r} is not a version", package) from problem
    return versions
