"""Which of mmcv's C++ files are compiled together.

Nearly all the time that mmcv takes to build goes into PyTorch's headers, read anew for each of
77 files. A unit is a list of ``#include`` lines, read with one copy of the headers. Files whose
names would meet are kept in different units. The plan depends on the files alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from porter.verify.ops.sources import Source

#: Units to begin with, beside the bindings. Each costs 7 s for PyTorch's headers, and fewer
#: than four cannot hold mmcv 2.x, where four files define the same function.
UNITS = 4
#: A header of PyTorch that a unit does not read yet weighs as much as so many bytes of code.
HEADER_WEIGHT = 30_000


@dataclass(frozen=True)
class Unit:
    """Files that are compiled as one.

    Attributes:
        name: Of the unit's own file, without its suffix.
    """

    name: str
    sources: tuple[Source, ...]

    @property
    def optimization(self) -> str:
        """The compiler's option. Bindings compute nothing; they take 7 s longer at -O2."""
        return "-O1" if any(source.binds for source in self.sources) else "-O2"

    @property
    def text(self) -> str:
        """The C++ that includes the files; a file's macros end with it."""
        lines = (line for source in self.sources for line in _lines(source))
        return "".join(f"{line}\n" for line in lines)

    @property
    def label(self) -> str:
        """The files, in words."""
        first = self.sources[0].name
        return first if len(self.sources) == 1 else f"{first} and {len(self.sources) - 1} more"


def plan_units(sources: Sequence[Source], units: int = UNITS) -> tuple[Unit, ...]:
    """Every file in one unit, those that take longest first.

    Args:
        units: How many to spread the files over. There will be more if names clash.
    """
    groups: list[list[Source]] = [[] for _ in range(units)]
    others = [source for source in sources if not source.binds]
    for source in sorted(others, key=lambda source: (-source.size, source.name)):
        _place(source, groups)
    filled = sorted((group for group in groups if group), key=_weight, reverse=True)
    parts = [Unit(f"part-{number}", _ordered(group)) for number, group in enumerate(filled, 1)]
    bindings = [Unit(_stem(source), (source,)) for source in sources if source.binds]
    return (*bindings, *parts)


def alone(unit: Unit) -> tuple[Unit, ...]:
    """The unit's files one by one, as mmcv's own build compiles them."""
    return tuple(Unit(_stem(source), (source,)) for source in unit.sources)


def clash(one: Source, other: Source) -> bool:
    """Whether a name that one file defines occurs in the other, or both open namespaces."""
    return not (
        one.defines.isdisjoint(other.words)
        and other.defines.isdisjoint(one.words)
        and not (one.opens and other.opens)
    )


def _place(source: Source, groups: list[list[Source]]) -> None:
    free = [group for group in groups if not any(clash(source, other) for other in group)]
    if not free:
        groups.append([source])
    else:
        min(free, key=lambda group: _weight([*group, source])).append(source)


def _weight(group: Sequence[Source]) -> int:
    headers = frozenset[str]().union(*(source.headers for source in group))
    return sum(source.size for source in group) + HEADER_WEIGHT * len(headers)


def _ordered(group: Sequence[Source]) -> tuple[Source, ...]:
    """A file that opens a namespace comes last, so that it opens it to no other."""
    return tuple(sorted(group, key=lambda source: (bool(source.opens), source.name)))


def _lines(source: Source) -> tuple[str, ...]:
    return (f'#include "{source.name}"', *(f"#undef {macro}" for macro in source.macros))


def _stem(source: Source) -> str:
    return source.name.removesuffix(".cpp").replace("/", "-")
