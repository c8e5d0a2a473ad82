"""CUDA in what is not Python: shell, YAML and JSON, C++ and CUDA sources. Comments are left out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from porter.audit.facts import Facts
from porter.audit.judge import Verdict

SHELL = (".sh", ".bash", ".slurm", ".sbatch")
CONFIGS = (".yml", ".yaml", ".json", ".toml", ".cfg", ".ini")
NATIVE = (".cpp", ".cc", ".cxx", ".h", ".hpp", ".c")
CUDA = (".cu", ".cuh")
SUFFIXES = (*SHELL, *CONFIGS, *NATIVE, *CUDA)
NAMES = ("Dockerfile", "Makefile", "CMakeLists.txt")


@dataclass(frozen=True)
class TextSite:
    """A place in a text file, judged already. Line and column count from 1."""

    kind: str
    symbol: str
    line: int
    column: int
    verdict: Verdict


_VARIABLE = re.compile(
    r"\b(CUDA_VISIBLE_DEVICES|CUDA_LAUNCH_BLOCKING|CUDA_DEVICE_ORDER|NCCL_[A-Z_]+)\b"
)
_DEVICE = re.compile(
    r"(?<![\w./-])(?:[\w-]*(?:device|map[-_]location|dev)[\"']?\s*[=:]?\s*[\"']?)(cuda(?::\d+)?)\b",
    re.I,
)
_NCCL = re.compile(r"(?:backend|launcher)\S*?[\"']?\s*[=:\s]\s*[\"']?(nccl)\b", re.I)
_SMI = re.compile(r"(?<![\w/-])(nvidia-smi|nvcc|nsys|nvprof)(?![\w-])")
_FORCE = re.compile(r"\b(FORCE_CUDA)=1")
_TOKENS = re.compile(
    r"\b(at::cuda\b|c10::cuda\b|cudaStream_t|cudaGetLastError|AT_CUDA_CHECK|getCurrentCUDAStream|"
    r"CUDAGuard|is_cuda\(\)|kCUDA|__global__)|#\s*include\s*[<\"]((?:cuda|ATen/cuda|c10/cuda)[\w/.]*)"
)
_REFUSES = re.compile(r"(?:CHECK|ASSERT|assert)\w*\(\s*(?!!)[^!=]*is_cuda\(\)(?!\s*==)")
_IF_CUDA = re.compile(r"#\s*if(?:def)?\b.*(?:CUDA|__NVCC__|__HIP)")


def text_sites(path: str, data: bytes, facts: Facts, guarded_build: bool) -> list[TextSite]:
    """The sites of a file that is not Python.

    Args:
        guarded_build: Whether the package builds CUDA sources only where there is CUDA.
    """
    if facts.cuda:
        return []
    text = data.decode("utf-8", "replace")
    name = path.rpartition("/")[2]
    if path.endswith(CUDA):
        return [_cuda_source(facts, guarded_build)]
    if path.endswith(NATIVE):
        return list(_cplusplus(path, text, facts, guarded_build))
    if path.endswith((*SHELL, *CONFIGS)) or name in NAMES:
        strip = _strip_json if path.endswith(".json") else _strip_hash
        return list(_lines(text, strip, facts, path.endswith(CONFIGS)))
    return []


def _cuda_source(facts: Facts, guarded: bool) -> TextSite:
    if guarded:
        verdict = Verdict("harmless", "compiled only where there is CUDA")
    else:
        verdict = Verdict(
            "open", f"a kernel that only CUDA can compile and {facts.target} cannot run"
        )
    return TextSite("cuda-build", "CUDA source", 1, 1, verdict)


def _cplusplus(path: str, text: str, facts: Facts, guarded: bool) -> Iterator[TextSite]:
    """One site for each sort of use a file has."""
    if "/cuda/" in path or "/parrots/" in path or "_cuda" in path.rpartition("/")[2]:
        if _TOKENS.search(text) and "/parrots/" not in path:
            yield _cuda_source(facts, guarded)
        return
    seen: set[tuple[str, bool]] = set()
    depth: list[bool] = []
    for number, line in enumerate(_without_c_comments(text).split("\n"), start=1):
        stripped = line.lstrip()
        if re.match(r"#\s*if", stripped):
            depth.append(bool(_IF_CUDA.match(stripped)))
        elif re.match(r"#\s*endif", stripped) and depth:
            depth.pop()
        found = _TOKENS.search(line)
        if found is None:
            continue
        symbol = found[1] or found[2]
        refuses = symbol == "is_cuda()" and _REFUSES.search(line) is not None
        if (symbol, refuses) in seen:
            continue
        seen.add((symbol, refuses))
        header = guarded and path.endswith((".h", ".hpp"))
        if any(depth) or header:
            verdict = Verdict("harmless", "compiled only where there is CUDA")
        elif symbol == "is_cuda()" and not refuses:
            verdict = Verdict("harmless", "tensors of other devices go another way")
        else:
            verdict = Verdict("open", f"C++ that needs CUDA to compile, or refuses {facts.target}")
        yield TextSite("cuda-build", symbol, number, found.start() + 1, verdict)


def _lines(
    text: str, strip: Callable[[str], str], facts: Facts, config: bool
) -> Iterator[TextSite]:
    target, ours = facts.target, facts.visible_devices
    for number, line in enumerate(text.split("\n"), start=1):
        line = strip(line)
        for found in _VARIABLE.finditer(line):
            if found[1] == ours:
                continue
            if found[1] == "CUDA_VISIBLE_DEVICES":
                asks = ours and ours in text
                verdict = (
                    Verdict("native", f"{ours} is set beside it")
                    if asks
                    else Verdict("open", f"it chooses no device of {target}; {ours} does")
                )
            else:
                verdict = Verdict("harmless", "a variable that only CUDA or NCCL reads")
            yield TextSite("visible-devices", found[1], number, found.start(1) + 1, verdict)
        for found in _DEVICE.finditer(line):
            verdict = Verdict("open", f"a device of CUDA's is asked for, which {target} has not")
            yield TextSite("device-string", repr(found[1]), number, found.start(1) + 1, verdict)
        for found in _NCCL.finditer(line):
            yield TextSite("nccl", "nccl", number, found.start(1) + 1, _nccl(facts, config))
        for found in _SMI.finditer(line):
            verdict = Verdict("open", f"`{found[1]}` knows no {target}")
            yield TextSite("cuda-build", found[1], number, found.start(1) + 1, verdict)
        for found in _FORCE.finditer(line):
            verdict = Verdict("open", "a build with CUDA is forced")
            yield TextSite("cuda-build", found[1], number, found.start(1) + 1, verdict)


def _nccl(facts: Facts, config: bool) -> Verdict:
    relief = facts.relief.get("nccl", "") if config else ""
    if not relief:
        return Verdict("open", f"{facts.target} has no nccl; its backend is {facts.backend}")
    words = "mmengine's init_dist reads `nccl` as the accelerator's backend"
    return Verdict("native", words) if relief == "native" else Verdict("ported", words, relief)


def _strip_json(line: str) -> str:
    return line


def _strip_hash(line: str) -> str:
    """A line without its comment: a ``#`` that no quote holds, and that starts a word."""
    quote = ""
    for place, sign in enumerate(line):
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        elif sign == "#" and (place == 0 or line[place - 1] in " \t;"):
            return line[:place]
    return line


_C_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"", re.DOTALL)


def _without_c_comments(text: str) -> str:
    """C++ with its comments and texts blanked; what it includes, and its lines, stay."""

    def blank(found: re.Match[str]) -> str:
        whole = found[0]
        start = text.rfind("\n", 0, found.start()) + 1
        included = whole.startswith('"') and "#" in text[start : found.start()]
        return whole if included else "\n" * whole.count("\n")

    return _C_COMMENT.sub(blank, text)
