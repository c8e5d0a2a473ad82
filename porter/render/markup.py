"""What pages of HTML are made of; all text is escaped here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files

from porter.render.blocks import displayable


@dataclass(frozen=True)
class Cell:
    """A cell of a table: its HTML and the class that says how it is set."""

    html: str
    kind: str = ""


def text(value: str) -> str:
    """Text as HTML."""
    return escape(displayable(value))


def prose(value: str) -> str:
    """Text as HTML, in which backticks mark code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", text(value))


def resource(file: str) -> str:
    """A template or a style sheet that lies beside this module."""
    return files("porter.render").joinpath(file).read_text(encoding="utf-8")


def name(value: str) -> Cell:
    """A cell that is not broken into lines."""
    return Cell(text(value), "name")


def number(value: str) -> Cell:
    """A cell that is set to the right, with digits of one width."""
    return Cell(text(value), "number")


def words(value: str) -> Cell:
    """A cell of plain text."""
    return Cell(text(value))


def code(value: str) -> Cell:
    """A cell with a digest, an identifier or a path."""
    return Cell(f"<code>{text(value)}</code>")


def table(headers: Sequence[Cell], rows: Iterable[Sequence[Cell]]) -> str:
    """A table that scrolls by itself where the window is narrow."""
    body = "".join(f"<tr>{''.join(_cell('td', cell) for cell in row)}</tr>\n" for row in rows)
    head = "".join(_cell("th", cell) for cell in headers)
    return (
        f'<div class="wide"><table class="figures"><thead><tr>{head}</tr></thead>\n'
        f"<tbody>{body}</tbody></table></div>"
    )


def _cell(tag: str, cell: Cell) -> str:
    kind = f' class="{cell.kind}"' if cell.kind else ""
    return f"<{tag}{kind}>{cell.html}</{tag}>"


def paragraph(value: str) -> str:
    """A paragraph of plain text."""
    return f"<p>{text(value)}</p>"
