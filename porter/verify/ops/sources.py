"""mmcv's C++ files for a CPU build, and what each of them would mean to another beside it.

The files are written to be compiled one by one. To compile several as one, porter has to know
which names each gives a meaning to. A light scan finds them. It is meant to find too many
rather than too few: a name too many costs a little speed, a name too few costs a unit that does
not compile and is then compiled file by file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

#: Folder of the operators' C++ below the root of an mmcv tree.
CSRC = Path("mmcv/ops/csrc")
#: What mmcv's own setup compiles where there is no accelerator; all versions since 1.2.
PATTERNS = ("pytorch/*.cpp", "pytorch/cpu/*.cpp")
#: Folders to find headers in; the first is that of mmcv before 1.3.
HEADER_FOLDERS = (".", "common")

_NOISE = re.compile(
    r"//[^\n]*|/\*.*?\*/"  # comments
    r'|"(?:\\.|[^"\\\n])*"'  # strings
    r"|'(?:\\.|[^'\\\n])+'",
    re.DOTALL,
)
_CONDITION = re.compile(r"\s*#\s*(if|ifdef|ifndef|elif|else|endif)\b\s*(.*)")
_OTHER_DEVICE = re.compile(r"(?:defined\s*\(?\s*)?MMCV_\w+\s*\)?\s*$")
_DIRECTIVE = re.compile(r"^\s*#.*$", re.MULTILINE)
_WORD = re.compile(r"[A-Za-z_]\w*")
_TOKEN = re.compile(r"[A-Za-z_]\w*|\S")
_TORCH_HEADER = re.compile(r"#\s*include\s*<(torch/[^>]+)>")
_OLD_DISPATCH = re.compile(r"\bAT_DISPATCH_\w+\s*\(\s*[\w.]+\.type\(\)")
_KINDS = frozenset({"struct", "class", "enum", "union"})
_DECLARES_ONLY = frozenset({"extern", "template", "friend", *_KINDS})


@dataclass(frozen=True)
class Source:
    """One C++ file and what it says at its top level.

    Attributes:
        name: Path below ``csrc``, with forward slashes.
        size: Bytes.
        words: Every identifier in it.
        defines: Names that it gives a meaning to, outside of functions and classes.
        macros: Those it defines and does not take back, sorted.
        opens: Namespaces that it opens to whatever follows (``using namespace std``).
        headers: PyTorch's headers that it asks for itself.
        old_dispatch: Whether it dispatches on ``type()``, as was done before ``scalar_type()``.
    """

    name: str
    size: int
    words: frozenset[str]
    defines: frozenset[str] = frozenset()
    macros: tuple[str, ...] = ()
    opens: frozenset[str] = frozenset()
    headers: frozenset[str] = frozenset()
    old_dispatch: bool = False

    @property
    def binds(self) -> bool:
        """Whether it makes the Python module; it computes nothing then."""
        return "PYBIND11_MODULE" in self.words


def read_sources(csrc: Path) -> tuple[Source, ...]:
    """The files that a CPU build compiles, sorted by name."""
    paths = sorted(path for pattern in PATTERNS for path in csrc.glob(pattern))
    return tuple(scan(path.relative_to(csrc).as_posix(), path.read_bytes()) for path in paths)


def read_headers(csrc: Path) -> Iterator[Path]:
    """Every header that a CPU build may include, sorted."""
    found = (path for folder in HEADER_FOLDERS for path in (csrc / folder).glob("*.h*"))
    yield from sorted({*found, *(csrc / "common" / "utils").rglob("*.h*")})


def scan(name: str, data: bytes) -> Source:
    """What one file says."""
    text = _active(_plain(data.decode("utf-8", errors="replace")))
    code = _DIRECTIVE.sub("", text)
    heads = list(_heads(code))
    return Source(
        name=name,
        size=len(data),
        words=frozenset(_WORD.findall(text)),
        defines=frozenset(word for head, body in heads for word in _defined(head, body)),
        macros=_macros(text),
        opens=frozenset(head[-1] for head, _ in heads if head[:2] == ["using", "namespace"]),
        headers=frozenset(_TORCH_HEADER.findall(text)),
        old_dispatch=_OLD_DISPATCH.search(code) is not None,
    )


def _plain(text: str) -> str:
    """The text on whole lines, without comments, and with empty strings."""
    whole = text.replace("\\\r\n", " ").replace("\\\n", " ")
    return _NOISE.sub(lambda match: " " if match[0][0] == "/" else '""', whole)


def _active(text: str) -> str:
    """The text without what is for other devices: a CPU build sets no ``MMCV_`` macro.

    Of any other condition both branches stay.
    """
    kept, branches = [], list[bool | None]()  # whether each open branch counts, where known
    for line in text.splitlines():
        condition = _CONDITION.match(line)
        if condition:
            _step(branches, condition[1], condition[2])
        elif False not in branches:
            kept.append(line)
    return "\n".join(kept)


def _step(branches: list[bool | None], directive: str, asked: str) -> None:
    if directive.startswith("if"):
        known = _OTHER_DEVICE.match(asked) is not None
        branches.append((directive == "ifndef") if known else None)
    elif branches and directive == "endif":
        branches.pop()
    elif branches and branches[-1] is not None:
        branches[-1] = not branches[-1]


def _macros(text: str) -> tuple[str, ...]:
    left: set[str] = set()
    for directive, name in re.findall(r"^\s*#\s*(define|undef)\s+(\w+)", text, re.MULTILINE):
        (left.add if directive == "define" else left.discard)(name)
    return tuple(sorted(left))


def _heads(code: str) -> Iterator[tuple[list[str], bool]]:
    """What stands before each ``;`` and ``{`` at top level; True for those with a body."""
    depth, head = 0, list[str]()
    for token in _TOKEN.findall(code):
        if token == "{":
            if depth == 0 and _is_namespace(head):
                head = []
                continue
            if depth == 0:
                yield head, True
            depth += 1
        elif token == "}":
            depth, head = max(0, depth - 1), []
        elif depth == 0 and token == ";":
            yield head, False
            head = []
        elif depth == 0:
            head.append(token)


def _is_namespace(head: Sequence[str]) -> bool:
    return "(" not in head and ("namespace" in head or head[:1] == ["extern"])


def _defined(head: Sequence[str], body: bool) -> list[str]:
    """The names that one declaration gives a meaning to."""
    if not head or head[:2] == ["using", "namespace"]:
        return []
    if head[0] == "using":
        return [head[1] if "=" in head else head[-1]]
    flat = _outside_parentheses(head)
    if "=" in flat:
        return _WORD.findall(" ".join(flat[: flat.index("=")]))[-1:]
    if "(" in flat:
        return _called(flat) if body else []
    kinds = [index for index, word in enumerate(flat) if word in _KINDS]
    if body and kinds:
        return list(flat[kinds[-1] + 1 : kinds[-1] + 2])
    return [] if flat[0] in _DECLARES_ONLY else _WORD.findall(" ".join(flat))[-1:]


def _outside_parentheses(head: Sequence[str]) -> list[str]:
    flat, depth = list[str](), 0
    for token in head:
        depth -= token == ")"
        if depth == 0:
            flat.append(token)
        depth += token == "("
    return flat


def _called(flat: Sequence[str]) -> list[str]:
    """Every word before a parenthesis: the function's name, and macros before it."""
    return [word for word, after in pairwise(flat) if after == "(" and _WORD.match(word)]
