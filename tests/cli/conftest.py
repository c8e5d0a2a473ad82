"""A small project to port: two packages, three rules and a chip, all of our own."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from porter.cli import main

TARGET = """
[target]
name = "chip"
vendor = "Example"
chip = "C1"
summary = "A chip that only tests know, with <angle brackets>."
documentation = "docs/chip"

[torch]
family = "plugin"
device = "chip"
plugin = "torch_chip"
backend = "ccl"
visible_devices = "CHIP_VISIBLE_DEVICES"
amp_dtypes = ["float16"]

[traits]
chip-test-device = "It registers a device type of its own."
chip-test-clone = "Its kernel misreads the `inner` layout."

[pins.default]
mmengine = "99.0"
mmcv = "98.1"

[pins.old]
mmengine = "98.0"
mmcv = "98.1"
"""

AVAILABLE = """
id = "mmengine/available"
why = "Code that asks for `cuda` must find the chip, <or> it stays on the host."
source = "our own & only test"
when = { trait = "chip-test-device" }
requires = { mmengine = ">=98" }
files = ["mmengine/device.py"]

[[edit]]
kind = "rewrite"
match = "torch.cuda.is_available()"
replace = "torch.$device.is_available()"

[[case]]
name = "asks the chip"
target = "chip"
before = '''
import torch
x = torch.cuda.is_available()
'''
after = '''
import torch
x = torch.chip.is_available()
'''

[[case]]
name = "leaves the count alone"
target = "chip"
unchanged = '''
import torch
x = torch.cuda.device_count()
'''
"""

NEW_FILE = """
id = "mmcv/notice"
why = "People should know what they have."
source = "our own test"
when = { trait = "chip-test-device" }
requires = { mmcv = ">=98" }
files = []

[[edit]]
kind = "add-file"
path = "mmcv/ported.py"
content = '''
TARGET = "${name}"
'''
"""

CLONE = """
id = "mmcv/own-input"
why = "The kernel misreads the inner layout; a clone is plain."
source = "our own test"
when = { trait = "chip-test-clone" }
requires = { mmcv = ">=98" }
native = { chip = ">=98.2" }
files = ["mmcv/ops.py"]

[[edit]]
kind = "rewrite"
within = "forward"
match = "kernel($INPUT, $$$REST)"
replace = '''
copied = $INPUT.clone()
kernel(copied, $$$REST)
'''

[[case]]
name = "clones the input"
target = "chip"
before = '''
def forward(x):
    kernel(x, 1)
'''
after = '''
def forward(x):
    copied = x.clone()
    kernel(copied, 1)
'''
"""

NOT_NEEDED = """
id = "mmcv/never"
why = "Only chips without a test trait need it."
source = "our own test"
when = { none = ["chip-test-device"] }
files = ["mmcv/ops.py"]

[[edit]]
kind = "rename"
from = "torch.cuda"
to = "torch.$device"
expect = "0.."

[[case]]
name = "renames"
target = "chip"
before = '''
import torch
torch.cuda.x()
'''
after = '''
import torch
torch.chip.x()
'''
"""

CHECKOUTS = {
    "mmengine/setup.py": "",
    "mmengine/mmengine/__init__.py": "",
    "mmengine/mmengine/version.py": "__version__ = '99.0'\n",
    "mmengine/mmengine/device.py": (
        "import torch\n\n\ndef is_cuda_available():\n    return torch.cuda.is_available()\n"
    ),
    "mmcv/setup.py": "",
    "mmcv/mmcv/__init__.py": "",
    "mmcv/mmcv/version.py": "__version__ = '98.1'\n",
    "mmcv/mmcv/ops.py": "def forward(x):\n    y = x\n    kernel(x,\n           1)\n    return y\n",
}


@dataclass(frozen=True)
class Result:
    """What a run of porter gave."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Result]


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder that holds checkouts, rules and targets."""
    write_files(tmp_path / "checkouts", CHECKOUTS)
    rules = {
        "mmengine/available.toml": AVAILABLE,
        "mmcv/notice.toml": NEW_FILE,
        "mmcv/own-input.toml": CLONE,
        "mmcv/never.toml": NOT_NEEDED,
    }
    write_files(tmp_path / "rules", rules)
    write_files(tmp_path / "targets", {"chip.toml": TARGET})
    monkeypatch.setenv("PORTER_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(project: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run porter in the project; options that name its parts are added where they fit."""

    def call(*words: str) -> Result:
        code = main([*words, *parts_for(words)])
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return call


CATALOG = ("--rules", "rules", "--targets", "targets")
ORIGIN = ("--from", "checkouts")


def parts_for(words: tuple[str, ...]) -> tuple[str, ...]:
    """The options that let a command see the project's own rules, targets and checkouts."""
    if words[0] in ("apply", "diff", "fetch"):
        return (*CATALOG, *(() if "--from" in words else ORIGIN))
    if words[0] in ("status", "explain", "export", "check", "upgrade") or words[:1] in (
        ("rules",),
        ("targets",),
    ):
        return CATALOG
    return ()


@pytest.fixture
def ported(run: Run, project: Path) -> Path:
    """The project's packages, ported into ``vendor``."""
    result = run("apply", "--target", "chip")
    assert result.code == 0, result.err
    return project / "vendor"
