"""The words of an audit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Class = Literal["open", "fallback", "ported", "native", "harmless"]

#: Class -> what it says of a place, the worst first.
CLASSES: Mapping[Class, str] = {
    "open": "fails on the target, or is wrong there",
    "fallback": "works there, slower or with less to show",
    "ported": "a rule of porter's has dealt with it",
    "native": "upstream, or the vendor's build, deals with the target there",
    "harmless": "never runs on the target, or does nothing there",
}

#: Kind of CUDA-ism -> what belongs to it.
KINDS: Mapping[str, str] = {
    "cuda-api": "functions of `torch.cuda`, and mmengine's and mmcv's names for them",
    "cuda-call": "`.cuda()` of tensors and modules",
    "is-cuda": "`is_cuda`, and comparisons of a device with CUDA",
    "device-string": "`'cuda'`, `f'cuda:{i}'` and the like where a device is meant",
    "nccl": "NCCL as the communication backend",
    "visible-devices": "`CUDA_VISIBLE_DEVICES` and other variables of CUDA's",
    "apex": "NVIDIA's apex",
    "amp": "`torch.cuda.amp`",
    "cudnn": "`torch.backends.cudnn` and `torch.backends.cuda`",
    "tensor-type": "typed tensors, such as `torch.cuda.FloatTensor`",
    "pin-memory": "memory pinned for CUDA",
    "stream": "CUDA's streams, events, graphs and ranges",
    "op": "extension operators of mmcv",
    "dtype": "dtypes that the target lacks",
    "dynamic-shape": "operators whose result's shape depends on the data",
    "cuda-build": "CUDA sources, and build files that ask for CUDA",
    "cuda-library": "libraries that are CUDA's alone: cupy, pynvml, numba.cuda",
    "mention": "docstrings that speak of CUDA",
}

#: Stage -> when a training run gets there, the first first.
STAGES: Mapping[str, str] = {
    "import": "when the package is imported",
    "build": "while the model, the data and the runner are built",
    "train": "in the training loop",
    "eval": "in evaluation and inference",
    "tools": "in scripts, tests and builds, which no training runs",
}


@dataclass(frozen=True)
class Finding:
    """One CUDA-ism, and what it comes to on the target.

    Attributes:
        path: POSIX path relative to the audited folder.
        line: Counted from 1; ``column`` likewise.
        package: The package it is in; ``project`` for a folder of the user's.
        symbol: What it is, by its full name: ``torch.cuda.synchronize``.
        code: Its line, without the white space around it.
        reason: Why it has its class, one sentence.
        rule: Id of the rule that did it, or would fix it; empty if there is none.
        used: Further lines that its value reaches, for a device string.
        accepted: Why somebody accepts it; empty if nobody does.
    """

    path: str
    line: int
    column: int
    package: str
    kind: str
    cls: Class
    stage: str
    symbol: str
    code: str
    reason: str
    rule: str = ""
    used: tuple[int, ...] = ()
    accepted: str = ""


@dataclass(frozen=True)
class Suppression:
    """Somebody accepts findings, and says why.

    Attributes:
        where: The file or line that says so, for messages.
        reason: Empty if none is given, which makes it void.
    """

    where: str
    kind: str
    reason: str


@dataclass(frozen=True)
class Report:
    """What an audit found.

    Attributes:
        target: The target's name.
        versions: Package -> version of what was audited; empty for a user's folder.
        ported: The target that the tree is ported to; empty if it is not.
        findings: In the order in which a training run reaches them.
        unused: Suppressions that met nothing; ``void`` ones give no reason.
        notes: What the reader should know of how it was made.
        files: How many files were read.
    """

    target: str
    versions: Mapping[str, str]
    ported: str
    findings: tuple[Finding, ...]
    unused: tuple[Suppression, ...] = ()
    void: tuple[Suppression, ...] = ()
    notes: tuple[str, ...] = ()
    files: int = 0
    seconds: float = field(default=0.0, compare=False)

    def count(self, cls: Class) -> int:
        """How many findings of a class nobody has accepted."""
        return sum(1 for f in self.findings if f.cls == cls and not f.accepted)

    def by_kind(self) -> dict[str, Counter[str]]:
        """Kind -> class -> how many; accepted ones count as ``accepted``."""
        return self._counted("kind")

    def by_package(self) -> dict[str, Counter[str]]:
        """Package -> class -> how many; accepted ones count as ``accepted``."""
        return self._counted("package")

    def _counted(self, attribute: str) -> dict[str, Counter[str]]:
        counted: dict[str, Counter[str]] = {}
        for finding in self.findings:
            row = counted.setdefault(getattr(finding, attribute), Counter())
            row["accepted" if finding.accepted else finding.cls] += 1
        return counted
