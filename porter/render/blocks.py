"""Output as data: a few kinds of block, and the one place that draws them.

A renderer turns a result into blocks and knows nothing of terminals. ``show`` draws them
with rich on a terminal, and as plain lines, never wrapped or cut, in a pipe.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TextIO

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text as RichText

Style = Literal["", "bold", "dim", "red", "green", "yellow", "cyan"]


@dataclass(frozen=True)
class Text:
    """A paragraph; a terminal wraps it, and ``indent`` columns stay free on its left."""

    text: str = ""
    style: Style = ""
    indent: int = 0


@dataclass(frozen=True)
class Fields:
    """Names and values in two columns."""

    pairs: tuple[tuple[str, str], ...]
    indent: int = 0


@dataclass(frozen=True)
class Table:
    """Rows under headers; the columns whose indices are in ``right`` hold numbers.

    Attributes:
        styles: Column index -> style of its cells.
        words: Text of a whole cell -> the style of such cells, in any column.
        footer: A last row, set apart; empty for none.
    """

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: tuple[int, ...] = ()
    styles: tuple[tuple[int, Style], ...] = ()
    footer: tuple[str, ...] = ()
    words: tuple[tuple[str, Style], ...] = ()


@dataclass(frozen=True)
class Diff:
    """Lines of a unified diff, without line ends; never wrapped."""

    lines: tuple[str, ...]
    indent: int = 0


@dataclass(frozen=True)
class Bars:
    """One line a file: its name, how many lines change, and a bar of ``+`` and ``-``."""

    rows: tuple[tuple[str, str, str, str], ...]


@dataclass(frozen=True)
class Command:
    """A command for the user to copy: never wrapped. Without a label it stands alone."""

    label: str
    command: str


Block = Text | Fields | Table | Diff | Bars | Command

BLANK = Text()
_DIFF_STYLES = (
    (("diff --git", "--- ", "+++ ", "new file mode"), "bold"),
    (("@@",), "cyan"),
    (("+",), "green"),
    (("-",), "red"),
    (("\\",), "dim"),
)


def show(blocks: Iterable[Block], stream: TextIO | None = None) -> None:
    """Draw blocks: with colour and wrapping on a terminal, as plain lines elsewhere.

    Args:
        stream: Standard output by default.
    """
    stream = stream or sys.stdout
    if is_terminal(stream):
        _show_rich(blocks, terminal_console(stream))
        return
    for line in plain_lines(blocks):
        write_exact(f"{line}\n", stream)


def is_terminal(stream: TextIO) -> bool:
    """Whether to draw for a person; ``FORCE_COLOR`` says yes, ``TERM=dumb`` says no."""
    if os.environ.get("FORCE_COLOR"):
        return True
    return os.environ.get("TERM") != "dumb" and stream.isatty()


def terminal_console(stream: TextIO) -> Console:
    """A rich console that draws on a terminal (``NO_COLOR`` is honoured by rich)."""
    from rich.console import Console

    return Console(file=stream, force_terminal=True, highlight=False, markup=False, emoji=False)


def write_exact(text: str, stream: TextIO) -> None:
    """Write text whose surrogate escapes stand for the bytes of a file."""
    buffer = getattr(stream, "buffer", None)
    if buffer is None:
        stream.write(displayable(text))
        return
    stream.flush()
    buffer.write(text.encode("utf-8", "surrogateescape"))


def displayable(text: str) -> str:
    """The text with what is no character shown as U+FFFD."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def plain_lines(blocks: Iterable[Block]) -> Iterable[str]:
    """The lines of blocks as a pipe gets them."""
    for block in blocks:
        for line in _plain(block):
            yield line.rstrip() if not isinstance(block, Diff) else line


def _plain(block: Block) -> Iterable[str]:
    match block:
        case Text(text, _, indent):
            return [" " * indent + line for line in text.split("\n")]
        case Fields(pairs, indent):
            rows = [row for name, value in pairs for row in _field_rows(name, value)]
            return [" " * indent + line for line in _aligned(rows, ())]
        case Table(headers, rows, right, _, footer, _):
            return _aligned((headers, *rows, *([footer] if footer else [])), right)
        case Diff(lines, indent):
            return [" " * indent + line for line in lines]
        case Bars(rows):
            return [f" {name} | {number} {plus}{minus}" for name, number, plus, minus in rows]
        case Command(label, command):
            return [f"{label}: {command}" if label else command]


def _field_rows(name: str, value: str) -> list[tuple[str, str]]:
    first, *others = value.split("\n")
    return [(name, first), *(("", other) for other in others)]


def _aligned(rows: Sequence[Sequence[str]], right: Sequence[int]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(_padded(row, widths, right)) for row in rows]


def _padded(row: Sequence[str], widths: Sequence[int], right: Sequence[int]) -> Iterable[str]:
    for index, (cell, width) in enumerate(zip(row, widths, strict=True)):
        yield cell.rjust(width) if index in right else cell.ljust(width)


def _show_rich(blocks: Iterable[Block], console: Console) -> None:
    for block in blocks:
        if isinstance(block, Diff):
            console.print(_rich_diff(block), soft_wrap=True)
        elif isinstance(block, Bars):
            console.print(_rich_bars(block), soft_wrap=True)
        elif isinstance(block, Command):
            console.print(_rich_command(block), soft_wrap=True)
        else:
            console.print(_rich(block))


def _rich(block: Text | Fields | Table) -> RenderableType:
    from rich.padding import Padding
    from rich.text import Text as RichText

    if isinstance(block, Text):
        return Padding(
            RichText(displayable(block.text), style=block.style), (0, 0, 0, block.indent)
        )
    if isinstance(block, Fields):
        return Padding(_rich_fields(block), (0, 0, 0, block.indent))
    return _rich_table(block)


def _rich_fields(block: Fields) -> RenderableType:
    from rich.table import Table as Grid
    from rich.text import Text as RichText

    grid = Grid.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in block.pairs:
        grid.add_row(RichText(name), RichText(displayable(value)))
    return grid


def _rich_table(block: Table) -> RenderableType:
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text as RichText

    table = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, show_footer=bool(block.footer))
    styles = dict(block.styles)
    footer = block.footer or ("",) * len(block.headers)
    for index, header in enumerate(block.headers):
        table.add_column(
            RichText(header),
            footer=RichText(footer[index]),
            justify="right" if index in block.right else "left",
            style=styles.get(index, ""),
            overflow="fold",
        )
    words = dict(block.words)
    for row in block.rows:
        table.add_row(*(RichText(displayable(cell), style=words.get(cell, "")) for cell in row))
    return table


def _rich_diff(block: Diff) -> RichText:
    from rich.text import Text as RichText

    lines = [
        RichText(" " * block.indent + displayable(line), style=diff_style(line))
        for line in block.lines
    ]
    return RichText("\n").join(lines)


def _rich_bars(block: Bars) -> RichText:
    from rich.text import Text as RichText

    lines = [
        RichText.assemble(f" {name} | {number} ", (plus, "green"), (minus, "red"))
        for name, number, plus, minus in block.rows
    ]
    return RichText("\n").join(lines)


def diff_style(line: str) -> str:
    """The style of one line of a unified diff."""
    return next((style for starts, style in _DIFF_STYLES if line.startswith(starts)), "")


def _rich_command(block: Command) -> RichText:
    from rich.text import Text as RichText

    label = f"{block.label}: " if block.label else ""
    return RichText.assemble((label, "dim"), (block.command, "bold"))
