"""A verification as it is shown: the table on a terminal, the page, the plots, the folder."""

from __future__ import annotations

import io
import math
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import pytest

from porter.errors import WriteError
from porter.render import plots
from porter.render.blocks import plain_lines, show
from porter.render.curves import Curve, counter_curves, gradient_curve, loss_curves
from porter.render.report_folder import write_report
from porter.render.report_page import report_page
from porter.render.verdict import verdict_blocks
from porter.verify.judging.asked import Asked
from porter.verify.judging.thresholds import AMP, STRICT
from porter.verify.judging.verdict import judge
from porter.verify.model import Failure, Place, Run, Verification
from tests.verify import fakes

STEPS = 12
ANSI = re.compile(r"\x1b\[[0-9;]*m")


@cache
def verified(
    change: str = "", *, ranks: int = 1, amp: bool = False, steps: int = STEPS
) -> Verification:
    asked = Asked("sim", "sdaa", "tccl", steps, ranks=ranks, amp=amp, eval=True)
    upstream = [fakes.run(steps=steps, ranks=ranks)]
    ported = _changed(fakes.run("sdaa", steps=steps, ranks=ranks, amp=amp), change)
    verdict = judge(asked, upstream, ported, limits=AMP if amp else STRICT)
    return fakes.verification(upstream, ported, verdict)


def _changed(run: Run, change: str) -> Run:
    match change:
        case "half":
            return fakes.each_step(run, lambda s: fakes.scaled(s, 0.5))
        case "nan":
            return fakes.at_step(
                run, 4, lambda s: replace(s, losses={**s.losses, "loss": math.nan})
            )
        case "crash":
            failure = Failure("RuntimeError", "<script>alert(1)</script>", "runner.py:1 in train")
            return fakes.each_rank(
                run, lambda rank: replace(rank, steps=(), end=None, failure=failure)
            )
    return run


def lines(verification: Verification) -> list[str]:
    return list(plain_lines(verdict_blocks(verification, Path("out"))))


def row(verification: Verification, name: str) -> list[str]:
    (line,) = [line for line in lines(verification) if line.startswith(f"{name}  ")]
    return re.split(r"\s{2,}", line)


def test_a_pass_is_told_with_its_figures() -> None:
    told = lines(verified())
    assert (
        told[0]
        == "Pass: reppoints trains on sdaa (simulated) as upstream does on the CPU, over 12 steps"
    )
    assert row(verified(), "mean over steps") == ["mean over steps", "0 %", "< 1 %", "pass"]
    assert "Every loss and gradient norm is bit-identical to upstream's." in told
    assert "Repeat: porter verify reppoints --target sdaa --steps 12 --nproc 1" in told
    assert told[-1] == "Report: out"


def test_a_fail_is_told_with_its_reasons() -> None:
    told = lines(verified("half"))
    assert told[0].startswith("Fail: reppoints does not train on sdaa (simulated)")
    assert row(verified("half"), "mean over steps")[1:] == ["50 %", "< 1 %", "fail"]
    assert any(line.startswith("first step: loss") for line in told)


def test_the_vendors_rule_is_marked_as_signed() -> None:
    (line,) = [line for line in lines(verified("half")) if line.startswith("Tecorigin")]
    assert line.startswith("Tecorigin's rule, signed: passes, mean relative error -50 % (<= 5 %)")


def test_what_the_simulated_chip_counted_is_told() -> None:
    (line,) = [line for line in lines(verified()) if line.startswith("A step asks")]
    assert "5,100 operators, 74 of dynamic shape" in line
    assert "1,138 in the first step, 12 in the last" in line


def test_ranks_and_amp_are_in_the_headline() -> None:
    assert lines(verified(ranks=3, amp=True))[0].endswith("over 12 steps, with AMP, 3 processes")


@pytest.mark.parametrize("change", ["", "half", "nan", "crash"])
def test_the_table_fits_80_columns(change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("FORCE_COLOR", "1")
    out = io.StringIO()
    show(verdict_blocks(verified(change), None), out)
    drawn = [ANSI.sub("", line) for line in out.getvalue().splitlines()]
    assert max(len(line.rstrip()) for line in drawn if "porter verify" not in line) <= 80
    checks = [line for line in drawn if line.rstrip().endswith(("pass", "fail", "inconclusive"))]
    assert len(checks) >= 20, "no row is broken into two"


PLACES: dict[Place, str] = {"real": "on sdaa as", "cpu": "on the CPU, ported for sdaa as"}


@pytest.mark.parametrize(("place", "words"), PLACES.items())
def test_the_headline_says_where(place: Place, words: str) -> None:
    made = verified()
    assert words in lines(replace(made, ported=replace(made.ported, place=place)))[0]


class _Checker(HTMLParser):
    """Collects ids, links and what a self-contained page must not have."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: set[str] = set()
        self.foreign: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids += [found["id"] or ""] if "id" in found else []
        link = found.get("href") or ""
        if link.startswith("#") and tag == "a":
            self.links.add(link[1:])
        if tag in ("script", "link", "img", "iframe") or found.get("src"):
            self.foreign.append(tag)


@cache
def page_of(change: str = "") -> str:
    return report_page(verified(change, ranks=2))


@pytest.mark.slow  # it draws
@pytest.mark.parametrize("change", ["", "nan", "crash"])
def test_the_page_is_whole_and_needs_nothing_else(change: str) -> None:
    checker = _Checker()
    page = page_of(change)
    checker.feed(page)
    assert checker.foreign == []
    assert checker.links <= set(checker.ids)
    assert len(checker.ids) == len(set(checker.ids)), "ids are unlike each other"
    assert "$" not in page
    assert not re.search(r"url\((?!#)|@import", page)


def test_the_page_shows_figures_digests_and_the_command() -> None:
    page = page_of("nan")
    for words in (
        "not finite",
        "3f" * 32,
        "2.13.0+cpu",
        "porter verify reppoints --target sdaa",
        "Rank 1",
    ):
        assert words in page
    assert "The norms of all 5 parameters are equal." in page


def test_the_page_escapes_what_others_wrote() -> None:
    page = page_of("crash")
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "runner.py:1 in train" in page


@pytest.mark.slow  # it draws
def test_plots_on_the_page_take_its_colours() -> None:
    page = page_of()
    for element in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        ElementTree.fromstring(element)
        assert "<style" not in element
        assert not re.search(r"#[0-9a-f]{6}\b(?!\")", element), "a colour of its own"


@pytest.mark.slow  # it draws
def test_plots_are_the_same_bytes_for_the_same_run() -> None:
    curve = loss_curves(verified(), 0)[0]
    draw = plots.comparison(curve, 0.01, ("a", "b"))
    assert plots.png(draw, (4, 3)) == plots.png(draw, (4, 3))
    assert drawn(curve) == drawn(curve)


def test_curves_hold_what_was_recorded() -> None:
    total, *parts = loss_curves(verified("half"), 0)
    assert [curve.name for curve in (total, *parts)] == [
        "loss",
        "loss_cls",
        "loss_pts_init",
        "loss_pts_refine",
    ]
    assert total.ported[2] == (3, 0.5 * fakes.losses(3)["loss"])
    assert total.off[2] == (3, pytest.approx(0.5))
    assert gradient_curve(verified(), 0).off == tuple((n, 0.0) for n in range(1, STEPS + 1))
    assert counter_curves(verified(), 0)[3].ported[0] == (1, 1138.0)


def drawn(curve: Curve) -> str:
    return plots.svg(plots.comparison(curve, 0.01, ("upstream", "port")), (8, 5), "x", "a plot")


def test_no_difference_is_told_in_words_and_drawn_at_zero() -> None:
    plot = drawn(loss_curves(verified(), 0)[0])
    assert "relative difference: none in any of 12 steps (limit 1 %)" in plot
    assert ">0</text>" in plot
    assert ">1 %</text>" in plot


def test_a_difference_is_told_by_its_mean() -> None:
    assert "mean 50 % (limit 1 %, dashed)" in drawn(loss_curves(verified("half"), 0)[0])


ODD: dict[str, Curve] = {
    "one step": Curve("loss", ((1, 2.0),), ((1, 2.0),), ((1, 0.0),)),
    "no step of the port": Curve("loss", ((1, 2.0), (2, 1.0)), ()),
    "nothing finite": Curve("loss", ((1, 2.0),), ((1, math.inf),), ((1, math.inf),)),
    "constantly zero": Curve(
        "loss", ((1, 0.0), (2, 0.0)), ((1, 0.0), (2, 0.0)), ((1, 0.0), (2, 0.0))
    ),
    "huge": Curve("loss", ((1, 1.0), (2, 1.0)), ((1, 1e30), (2, 1.0)), ((1, 1e30), (2, 1e-30))),
}


@pytest.mark.slow  # it draws
@pytest.mark.parametrize("curve", ODD.values(), ids=ODD.keys())
def test_odd_runs_can_be_drawn(curve: Curve) -> None:
    assert drawn(curve).startswith("<svg")


@pytest.mark.slow  # it draws
def test_the_folder_has_its_files(tmp_path: Path) -> None:
    written = write_report(verified(), tmp_path / "a" / "report")
    names = ["loss.png", "report.html", "report.json", "sdaa.log", "upstream.log"]
    assert sorted(path.name for path in written) == names
    assert sorted(path.name for path in (tmp_path / "a" / "report").iterdir()) == names
    assert (tmp_path / "a/report/sdaa.log").read_text().startswith("rank : 0  train.loss : 2.2")
    assert (tmp_path / "a/report/loss.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow  # it draws
def test_a_run_without_steps_is_reported_too(tmp_path: Path) -> None:
    names = {path.name for path in write_report(verified("crash"), tmp_path)}
    assert {"report.json", "report.html"} <= names


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="file"):
        write_report(verified(), tmp_path / "file")


def test_a_reason_that_many_checks_share_is_told_once() -> None:
    told = [line for line in lines(verified("crash")) if "Not compared" in line]
    assert len(told) == 1
    assert re.match(r"first step and \d+ more: Not compared: ", told[0])
