"""Plots of curves by step: PNG for a README, SVG for the page. The only home of matplotlib.

The same verification gives the same bytes with the same matplotlib: no date, no random ids.
Colours of an SVG are the page's own variables, so that it is legible in light and in dark.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Mapping, Sequence
from html import escape

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from porter.render.curves import Curve, Points
from porter.verify.judging.words import percent

_UPSTREAM, _PORT, _LIMIT = "#2f7fc1", "#d1495b", "#7a6a2f"
_TEXT, _MUTED, _GRID, _GROUND = "#1c2430", "#5a6675", "#d9dee5", "#ffffff"
#: Colours that the plots use -> the page's variables.
_VARIABLES = {
    _UPSTREAM: "--upstream",
    _PORT: "--port",
    _LIMIT: "--limit",
    _TEXT: "--text",
    _MUTED: "--muted",
    _GRID: "--line",
    _GROUND: "--ground",
}
_STYLE: Mapping[str, object] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.5,
    "text.color": _TEXT,
    "axes.edgecolor": _GRID,
    "axes.labelcolor": _MUTED,
    "axes.titlecolor": _TEXT,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.facecolor": _GROUND,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": _GROUND,
    "grid.color": _GRID,
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "xtick.color": _MUTED,
    "ytick.color": _MUTED,
    "svg.fonttype": "none",
    "svg.hashsalt": "porter",
}
#: Lines with fewer points than this have a mark at each.
_FEW = 16
_COLUMNS = 3

Draw = Callable[[Figure], None]


def png(draw: Draw, size: tuple[float, float]) -> bytes:
    """What ``draw`` puts on a figure of ``size`` inches, on white ground."""
    out = io.BytesIO()
    with mpl.rc_context(dict(_STYLE)):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure)
        figure.savefig(out, format="png", dpi=160, metadata={"Software": None})
    return out.getvalue()


def svg(draw: Draw, size: tuple[float, float], name: str, label: str) -> str:
    """The same as an element for a page that has the variables of ``_VARIABLES``.

    Args:
        name: Unlike those of the page's other plots; ids are made of it.
        label: What a reader hears who does not see it.
    """
    out = io.StringIO()
    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure)
        figure.savefig(
            out, format="svg", transparent=True, metadata={"Date": None, "Creator": None}
        )
    return _for_page(out.getvalue(), label)


def _for_page(text: str, label: str) -> str:
    text = text[text.index("<svg") :]
    # Its style element would be the whole page's; the page has it for plots alone.
    for element in ("metadata", "style"):
        text = re.sub(rf"<{element}\b.*?</{element}>", "", text, flags=re.DOTALL)
    text = re.sub(r'<g id="[a-z0-9_.]+"', "<g", text)
    text = re.sub(r' (?:width|height)="[\d.]+pt"', "", text, count=2)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    text = text.replace("'DejaVu Sans', sans-serif", "var(--sans)").replace(
        "'DejaVu Sans'", "var(--sans)"
    )
    return text.replace("<svg", f'<svg class="plot" role="img" aria-label="{escape(label)}"', 1)


def comparison(curve: Curve, limit: float, names: tuple[str, str]) -> Draw:
    """Both sides of one figure, and below it how far the port is off.

    Args:
        limit: Of the mean error, a fraction.
        names: What to call upstream's run and the port's.
    """

    def draw(figure: Figure) -> None:
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        _values(above, curve, names)
        above.set_title(curve.name)
        above.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, borderpad=0)
        _difference(below, curve.off, limit)
        below.set_xlabel("step")

    return draw


def grid(curves: Sequence[Curve], names: tuple[str, str]) -> Draw:
    """Both sides of several figures, small, side by side."""

    def draw(figure: Figure) -> None:
        cells = figure.subplots(rows(len(curves)), _COLUMNS, sharex=True, squeeze=False)
        for axes, curve in zip(cells.flat, curves):
            _values(axes, curve, names)
            axes.set_title(curve.name)
        for axes in cells.flat[len(curves) :]:
            axes.remove()

    return draw


def rows(count: int) -> int:
    """How many rows a grid of so many plots has."""
    return -(-count // _COLUMNS)


def counts(curves: Sequence[Curve]) -> Draw:
    """What a device counted, one plot a counter, on scales that begin at 0."""

    def draw(figure: Figure) -> None:
        cells = figure.subplots(2, 2, sharex=True, squeeze=False)
        for axes, curve in zip(cells.flat, curves):
            if curve.upstream:
                _line(axes, curve.upstream, _UPSTREAM, width=5, label="upstream", opacity=0.4)
            _line(axes, curve.ported, _PORT, width=1.6, label="port")
            axes.set_title(curve.name)
            _count_scale(axes, [value for _, value in (*curve.upstream, *curve.ported)])
        if curves[0].upstream:
            cells.flat[0].legend()
        for axes in cells[-1]:
            axes.set_xlabel("step")

    return draw


def _count_scale(axes: Axes, values: Sequence[float]) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, steps=[1, 2, 5, 10]))
    if max(values) > 20 * (min(values) + 1):
        axes.set_yscale("symlog", linthresh=1)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    else:
        axes.set_ylim(0, 1.15 * max(values) or 1)
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")


def _values(axes: Axes, curve: Curve, names: tuple[str, str]) -> None:
    """Upstream's line broad and pale, the port's thin upon it: both are seen where they agree."""
    _line(axes, curve.upstream, _UPSTREAM, width=5, label=names[0], opacity=0.4)
    _line(axes, curve.ported, _PORT, width=1.5, label=names[1])
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, steps=[1, 2, 5, 10]))
    _mark_gaps(axes, curve.ported)


def _line(
    axes: Axes, points: Points, colour: str, *, width: float, label: str = "", opacity: float = 1
) -> None:
    axes.plot(
        [number for number, _ in points],
        [value if math.isfinite(value) else math.nan for _, value in points],
        color=colour,
        linewidth=width,
        alpha=opacity,
        marker="o" if len(points) < _FEW else "",
        markersize=1.5 + width,
        markeredgewidth=0,
        solid_capstyle="round",
        label=label,
    )


def _mark_gaps(axes: Axes, points: Points) -> None:
    """A line where a figure is not finite."""
    for number, value in points:
        if not math.isfinite(value):
            axes.axvline(number, color=_PORT, linewidth=1, linestyle=":")
            axes.annotate(
                f" {value}", (number, 0.04), xycoords=("data", "axes fraction"), color=_PORT
            )


def _difference(axes: Axes, off: Points, limit: float) -> None:
    """Relative errors on a logarithmic scale, whose lowest line stands for none at all."""
    sizes = [size for _, size in off if math.isfinite(size) and size > 0]
    low, high = _decades(sizes, limit)
    axes.set_yscale("log")
    axes.set_ylim(10.0 ** (low - 0.5), 10.0**high)
    _difference_ticks(axes, low, high)
    axes.axhline(limit, color=_LIMIT, linewidth=1.2, linestyle=(0, (5, 3)))
    axes.set_title(_difference_title(off, limit), fontweight="normal")
    drawn = [(n, size if size > 10.0**low else 10.0**low) for n, size in off]
    _line(axes, tuple(drawn), _PORT, width=1.3)
    _mark_gaps(axes, off)


def _decades(sizes: Sequence[float], limit: float) -> tuple[int, int]:
    """Exponents of ten: the line for no difference, and the top of the scale."""
    high = math.ceil(math.log10(max([limit, *sizes])) + 0.3)
    smallest = math.floor(math.log10(min([limit / 100, *sizes]))) - 1
    return max(smallest, high - 9), high


def _difference_ticks(axes: Axes, low: int, high: int) -> None:
    every = 1 if high - low <= 5 else 2
    decades = range(high - 1, low, -every)
    axes.set_yticks(
        [10.0**low, *(10.0**power for power in decades)],
        ["0", *(percent(10.0**power) for power in decades)],
    )
    axes.minorticks_off()


def _difference_title(off: Points, limit: float) -> str:
    if off and not any(size for _, size in off):
        return f"relative difference: none in any of {len(off)} steps (limit {percent(limit)})"
    mean = sum(size for _, size in off) / len(off) if off else math.nan
    return f"relative difference: mean {percent(mean)} (limit {percent(limit)}, dashed)"
