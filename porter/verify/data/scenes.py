"""What is on the synthetic images, and COCO's annotations of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import shake_256
from typing import Any

from porter.verify.data.picture import (
    QUARTERS,
    Canvas,
    Colour,
    Point,
    Span,
    area,
    run_lengths,
    spans,
)

#: Corners of shapes in a square of side 16.
RECTANGLE: tuple[Point, ...] = ((0, 0), (16, 0), (16, 16), (0, 16))
TRIANGLE: tuple[Point, ...] = ((8, 0), (16, 16), (0, 16))
PENTAGON: tuple[Point, ...] = ((8, 0), (16, 6), (13, 16), (3, 16), (0, 6))
ELLIPSE: tuple[Point, ...] = (
    *((8, 0), (11, 1), (14, 3), (15, 5), (16, 8), (15, 11), (14, 13), (11, 15)),
    *((8, 16), (5, 15), (2, 13), (1, 11), (0, 8), (1, 5), (2, 3), (5, 1)),
)


@dataclass(frozen=True)
class Kind:
    """A category that occurs: COCO's id, and how porter paints it."""

    category: int
    shape: tuple[Point, ...]
    colour: Colour


KINDS = (
    Kind(1, ELLIPSE, (224, 64, 48)),  # person
    Kind(3, RECTANGLE, (48, 96, 224)),  # car
    Kind(6, RECTANGLE, (240, 200, 40)),  # bus
    Kind(18, PENTAGON, (150, 90, 40)),  # dog
    Kind(44, TRIANGLE, (40, 190, 90)),  # bottle
    Kind(62, PENTAGON, (180, 60, 200)),  # chair
    Kind(72, RECTANGLE, (40, 40, 48)),  # tv
    Kind(85, ELLIPSE, (240, 240, 250)),  # clock
)


class Dice:
    """Numbers that follow from a name alone, the same on every Python."""

    def __init__(self, name: str) -> None:
        self._bytes = iter(shake_256(name.encode()).digest(1024))

    def below(self, limit: int) -> int:
        """A whole number from 0 on, below ``limit``."""
        return (next(self._bytes) << 8 | next(self._bytes)) * limit >> 16

    def between(self, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``."""
        return low + self.below(high - low + 1)


@dataclass(frozen=True)
class Box:
    """A rectangle, in quarters of a pixel."""

    x: int
    y: int
    width: int
    height: int

    def cut(self, columns: int, rows: int) -> list[Box]:
        """The box in equal parts."""
        width, height = self.width // columns, self.height // rows
        return [
            Box(self.x + column * width, self.y + row * height, width, height)
            for row in range(rows)
            for column in range(columns)
        ]

    def within(self, dice: Dice) -> Box:
        """A box somewhere in this one, of 45 to 95 hundredths of its sides."""
        width, height = (side * dice.between(45, 95) // 100 for side in (self.width, self.height))
        x = self.x + dice.below(self.width - width)
        return Box(x, self.y + dice.below(self.height - height), width, height)

    def shaped(self, shape: Sequence[Point]) -> list[Point]:
        """A shape that fills the box."""
        return [(self.x + self.width * x // 16, self.y + self.height * y // 16) for x, y in shape]


@dataclass
class Scene:
    """One image and its annotations, while it is made."""

    canvas: Canvas
    annotations: list[dict[str, Any]] = field(default_factory=list)

    def add(self, kind: Kind, box: Box) -> None:
        """Paint and annotate an object."""
        polygon = box.shaped(kind.shape)
        self.canvas.paint(spans(polygon), kind.colour)
        corners = [value / QUARTERS for point in polygon for value in point]
        self._annotate(kind, _bounds(polygon), area(polygon), [corners])

    def add_crowd(self, kind: Kind, boxes: Sequence[Box]) -> None:
        """Paint some objects, and annotate them as one crowd, by a mask."""
        mask = _union([span for box in boxes for span in spans(box.shaped(kind.shape))])
        self.canvas.paint(mask, kind.colour)
        size = [self.canvas.height, self.canvas.width]
        lengths = run_lengths(mask, self.canvas.width, self.canvas.height)
        pixels = sum(right - left for _, left, right in mask)
        encoded = {"counts": lengths, "size": size}
        self._annotate(kind, _mask_bounds(mask), pixels, encoded, crowd=1)

    def _annotate(
        self, kind: Kind, box: list[float], area: float, mask: object, crowd: int = 0
    ) -> None:
        self.annotations.append(
            {
                "category_id": kind.category,
                "bbox": box,
                "area": area,
                "iscrowd": crowd,
                "segmentation": mask,
            }
        )


def _bounds(polygon: Sequence[Point]) -> list[float]:
    xs, ys = zip(*polygon)
    ends = (min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys))
    return [value / QUARTERS for value in ends]


def _mask_bounds(mask: Sequence[Span]) -> list[float]:
    rows, lefts, rights = zip(*mask)
    left, top = min(lefts), min(rows)
    return [left, top, max(rights) - left, max(rows) + 1 - top]


def _union(spans: Sequence[Span]) -> list[Span]:
    """The same pixels, none twice."""
    pixels = sorted({(y, x) for y, left, right in spans for x in range(left, right)})
    return [(y, x, x + 1) for y, x in pixels]


def make_scene(name: str, special: str = "") -> Scene:
    """An image with one to four objects.

    Args:
        name: All that is left to chance follows from it.
        special: ``empty`` for no object; ``crowd``, ``small`` or ``sliver`` for one of those too.
    """
    dice = Dice(name)
    width, height = dice.between(96, 160), dice.between(96, 160)
    scene = Scene(Canvas.noisy(width, height, name, darkest=dice.between(40, 120)))
    if special == "empty":
        return scene
    whole = Box(0, 0, QUARTERS * width, QUARTERS * height)
    for cell in _cells(whole, 3 if special else dice.between(1, 4)):
        scene.add(KINDS[dice.below(len(KINDS))], cell.within(dice))
    _add_special(scene, special, whole)
    return scene


def _cells(whole: Box, count: int) -> list[Box]:
    """As many parts of the image, so that no object hides another."""
    if count == 2:
        return whole.cut(2, 1) if whole.width > whole.height else whole.cut(1, 2)
    return whole.cut(1, 1) if count == 1 else whole.cut(2, 2)[:count]


def _add_special(scene: Scene, special: str, whole: Box) -> None:
    corner = whole.cut(2, 2)[3]
    if special == "crowd":
        scene.add_crowd(KINDS[0], corner.cut(3, 1))
    elif special == "small":
        scene.add(KINDS[1], Box(corner.x + 20, corner.y + 20, 4 * QUARTERS, 3 * QUARTERS))
    elif special == "sliver":
        scene.add(KINDS[2], Box(corner.x + 20, corner.y + 20, QUARTERS // 2, 9 * QUARTERS))


def category_table(names: Mapping[int, str]) -> list[dict[str, Any]]:
    """COCO's table of categories."""
    return [{"id": number, "name": name} for number, name in sorted(names.items())]
