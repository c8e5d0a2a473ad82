"""What a model of the ported tree finds in one picture, drawn into it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from porter.source import Cache
from porter.verify.data.dataset import synthetic_coco
from porter.verify.errand import Errand, check_out, hand_over, prepare, run_errand
from porter.verify.launch.place import Site
from porter.verify.launch.work import work_folder
from porter.verify.watch import Watcher

#: What OpenCV writes by its name.
PICTURES = (".jpg", ".jpeg", ".png", ".bmp")
STAGE = "detecting"


@dataclass(frozen=True)
class DemoRequest:
    """A picture to look at.

    Attributes:
        image: None for one of the synthetic data set.
        out: Where the picture with boxes goes.
        score_thr: The lowest score of a box that is drawn.
    """

    errand: Errand
    image: Path | None
    out: Path
    score_thr: float = 0.3


@dataclass(frozen=True)
class Box:
    """One thing that was found; corners in pixels of the picture."""

    label: str
    score: float
    corners: tuple[float, float, float, float]


@dataclass(frozen=True)
class DemoOutcome:
    """What came of it.

    Attributes:
        image: The picture that was looked at.
        found: Boxes of any score.
        boxes: Those that are drawn, highest score first.
        highest: The highest score of all; 0 if nothing was found.
        seconds: From the picture to the boxes, the picture's loading included.
        devices: Where the model's parameters were: device -> how many of them.
    """

    request: DemoRequest
    site: Site
    target: str
    config: str
    image: Path
    found: int
    boxes: tuple[Box, ...]
    highest: float
    seconds: float
    devices: Mapping[str, int]


def run_demo(request: DemoRequest, cache: Cache, watch: Watcher) -> DemoOutcome:
    """Detect, and draw what was detected.

    Raises:
        CouldNotRun: If something is missing, the picture or the checkpoint will not do, or the
            model failed.
        UsageError: If the request cannot be met.
        WriteError: If the picture cannot be written.
    """
    check_out(request.out, PICTURES)
    ground = prepare(request.errand, cache, watch)
    image = request.image or _synthetic(cache)
    with work_folder(cache) as work:
        picture = work / f"picture{request.out.suffix.lower()}"
        own = {
            "task": "demo",
            "image": str(image.absolute()),
            "score_thr": request.score_thr,
            "result": str(picture),
        }
        found = run_errand(ground, request.errand, own, work, watch, STAGE)
        hand_over(picture, request.out)
    return DemoOutcome(
        request=request,
        site=ground.site,
        target=ground.target.name,
        config=ground.recipe.config,
        image=image,
        found=found["found"],
        boxes=tuple(Box(label, score, tuple(corners)) for label, score, corners in found["boxes"]),
        highest=found["highest"],
        seconds=found["seconds"],
        devices=found["devices"],
    )


def _synthetic(cache: Cache) -> Path:
    return min((synthetic_coco(cache) / "val2017").iterdir())
