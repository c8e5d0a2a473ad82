"""COCO metrics and detections of both sides, where an evaluation was asked for.

After a few steps from random weights mAP is near zero on both sides and says little; the
detections themselves, compared image by image, say more.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from porter.verify.judging.asked import Asked, checked
from porter.verify.judging.compare import Pair
from porter.verify.judging.words import below, number, percent, some
from porter.verify.model import Check, Rank, Thresholds

#: Points of a metric (0 to 1) that it may differ by; half a point of mAP, two with AMP.
METRIC, METRIC_AMP = 0.005, 0.02
#: Mean distance of an image's mean coordinate, in pixels.
PIXELS, PIXELS_AMP = 1.0, 4.0
#: How many times the mean loss error the number of boxes may be off: it moves in whole boxes.
COUNTS = 2.0
#: Labels: the mean of a class's number, of some 80.
LABELS, LABELS_AMP = 1.0, 8.0
#: Where in a summary the coordinates' means are, the labels', and the masks' area.
COORDINATES, LABEL, AREA = range(2, 7), 7, 8
#: What the same weights detect on the same images is the same, but for rounding.
EXACT = 1e-3
_MEANT = "That is the mean over images of how far the port is off."


@dataclass(frozen=True)
class _Gap:
    """How far detections are apart, as means over images; the first two are fractions."""

    counts: float
    scores: float
    pixels: float
    labels: float
    areas: float


def evaluation(asked: Asked, pairs: Sequence[Pair], limits: Thresholds) -> tuple[Check, ...]:
    """The checks of an evaluation; none if none was asked for."""
    if not asked.eval:
        return ()
    return (_metrics(asked, pairs), *_detections(asked, pairs, limits))


def _metrics(asked: Asked, pairs: Sequence[Pair]) -> Check:
    limit = METRIC_AMP if asked.amp else METRIC
    gaps = [gap for pair in pairs for gap in _metric_gaps(*map(_end_metrics, pair))]
    worst = max((gap for gap, _ in gaps), default=0.0)
    problems = (problem for gap, problem in gaps if gap >= limit)
    if not any(_end_metrics(pair[0]) for pair in pairs):
        return Check("metrics", "inconclusive", detail="Upstream's run has no metrics.")
    return checked("metrics", problems, value=number(worst), limit=f"< {limit:g}")


def _end_metrics(rank: Rank) -> Mapping[str, float]:
    return rank.end.metrics if rank.end else {}


def _metric_gaps(
    baseline: Mapping[str, float], ported: Mapping[str, float]
) -> Iterator[tuple[float, str]]:
    for name in sorted({*baseline, *ported}):
        ours, theirs = baseline.get(name), ported.get(name)
        if ours is None or theirs is None:
            yield math.inf, f"Only one side has {name}."
        elif math.isfinite(theirs - ours):
            yield abs(theirs - ours), f"{name} is {number(theirs)}, upstream's {number(ours)}."
        elif math.isfinite(ours) or math.isfinite(theirs):
            yield math.inf, f"{name} is {number(theirs)}, upstream's {number(ours)}."


def _detections(asked: Asked, pairs: Sequence[Pair], limits: Thresholds) -> tuple[Check, ...]:
    ours, theirs = (_all_detections([pair[side] for pair in pairs]) for side in (0, 1))
    if not ours:
        detail = "Upstream's run has no detections recorded."
        return (Check("boxes kept", "inconclusive", detail=detail),)
    missing = sorted(set(ours) ^ set(theirs))
    if missing:
        return (Check("boxes kept", "fail", detail=f"Only one side evaluated {some(missing)}."),)
    gap = _gap(ours, theirs)
    pixels = PIXELS_AMP if asked.amp else PIXELS
    return (
        _mean_held("boxes kept", gap.counts, COUNTS * limits.mean),
        _mean_held("scores of boxes", gap.scores, limits.mean),
        checked(
            "places of boxes",
            [_MEANT] if gap.pixels >= pixels else [],
            value=f"{gap.pixels:.3g} px",
            limit=f"< {pixels:g} px",
        ),
        _labels(gap, LABELS_AMP if asked.amp else LABELS),
        _mean_held("areas of masks", gap.areas, COUNTS * limits.mean),
    )


def _labels(gap: _Gap, limit: float) -> Check:
    problem = [_MEANT] if gap.labels >= limit else []
    return checked("classes of boxes", problem, value=f"{gap.labels:.3g}", limit=f"< {limit:g}")


def prediction(asked: Asked, pairs: Sequence[Pair]) -> Check:
    """What the initial weights detect; no loss sees how boxes are decoded and suppressed."""
    name = "prediction at the start"
    if any(ours.predictions is None for ours, _ in pairs):
        return Check(name, "unasked", detail="It was not recorded.")
    refused = next((ours.no_predictions for ours, _ in pairs if ours.no_predictions), "")
    if refused:
        return Check(name, "unasked", detail=f"Nor does upstream predict: {refused}")
    problem = next((theirs.no_predictions for _, theirs in pairs if theirs.no_predictions), "")
    return checked(name, [problem] if problem else _predicted(asked, pairs))


def _predicted(asked: Asked, pairs: Sequence[Pair]) -> Iterator[str]:
    """On a real chip many boxes have nearly one score, and rounding decides between them."""
    loose = asked.place == "real"
    share, pixels = (0.1, PIXELS_AMP) if loose else (EXACT, EXACT)
    labels = LABELS_AMP if loose else EXACT
    for a, b in pairs:
        ours, theirs = a.predictions or {}, b.predictions or {}
        if set(ours) != set(theirs):
            yield f"Only one side predicted {some(sorted(set(ours) ^ set(theirs)))}."
            return
        gap = _gap(ours, theirs)
        if max(gap.counts, gap.scores, gap.areas) >= share:
            yield (
                f"Numbers of boxes are off by {percent(gap.counts)}, scores by "
                f"{percent(gap.scores)}, areas of masks by {percent(gap.areas)}."
            )
        if gap.pixels >= pixels:
            yield f"Boxes are off by {gap.pixels:.3g} px."
        if gap.labels >= labels:
            yield f"Classes are off by {gap.labels:.3g} on average."


def _mean_held(name: str, value: float, limit: float) -> Check:
    problem = [_MEANT] if value >= limit else []
    return checked(name, problem, value=percent(value), limit=below(limit))


def _all_detections(ranks: Sequence[Rank]) -> dict[str, tuple[float, ...]]:
    return {
        image: seen for rank in ranks if rank.end for image, seen in rank.end.detections.items()
    }


def _gap(ours: Mapping[str, Sequence[float]], theirs: Mapping[str, Sequence[float]]) -> _Gap:
    rows = [(ours[image], theirs[image]) for image in sorted(ours)]
    both = [(a, b) for a, b in rows if a[0] and b[0] and len(a) == len(b)]
    return _Gap(
        _mean([_relative(a[0], b[0]) for a, b in rows]),
        _mean([_relative(a[1], b[1]) for a, b in rows]),
        max(_mean([abs(b[k] - a[k]) for a, b in both if len(a) > k]) for k in COORDINATES),
        _mean([abs(b[LABEL] - a[LABEL]) for a, b in both if len(a) > LABEL]),
        _mean([_relative(a[AREA], b[AREA]) for a, b in both if len(a) > AREA]),
    )


def _relative(baseline: float, ported: float) -> float:
    if baseline == ported:
        return 0.0
    return abs(ported - baseline) / baseline if baseline else 1.0


def _mean(values: Sequence[float]) -> float:
    if not all(map(math.isfinite, values)):
        return math.inf
    return math.fsum(values) / len(values) if values else 0.0
