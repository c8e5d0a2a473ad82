"""Small pictures of filled polygons, as PNG files whose bytes depend on nothing but the picture.

Coordinates are whole quarters of a pixel, so that every sum is exact on every machine.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import shake_256

#: Units of a coordinate in one pixel.
QUARTERS = 4

Point = tuple[int, int]
Colour = tuple[int, int, int]
#: A row, its first pixel, and the first one past its last.
Span = tuple[int, int, int]


@dataclass(frozen=True)
class Canvas:
    """An RGB picture that is being painted.

    Attributes:
        rows: One a line of pixels, three bytes a pixel.
    """

    width: int
    height: int
    rows: tuple[bytearray, ...]

    @classmethod
    def noisy(cls, width: int, height: int, name: str, darkest: int) -> Canvas:
        """A grey background, lighter further down, with noise that follows from the name."""
        noise = shake_256(name.encode()).digest(3 * width * height)
        rows = []
        for y in range(height):
            level = darkest + 64 * y // height
            shades = bytes(min(255, level + (value >> 3)) for value in range(256))
            line = noise[3 * width * y : 3 * width * (y + 1)]
            rows.append(bytearray(line.translate(shades)))
        return cls(width, height, tuple(rows))

    def paint(self, spans: Sequence[Span], colour: Colour) -> None:
        """Fill spans, a little darker in every fourth row."""
        for y, left, right in spans:
            shade = 24 if y % 4 == 0 else 0
            pixel = bytes(max(0, value - shade) for value in colour)
            self.rows[y][3 * left : 3 * right] = pixel * (right - left)

    def png(self) -> bytes:
        """The picture as a PNG file, uncompressed: zlib's releases compress differently."""
        header = struct.pack(">IIBBBBB", self.width, self.height, 8, 2, 0, 0, 0)
        lines = b"".join(b"\0" + bytes(row) for row in self.rows)
        parts = ((b"IHDR", header), (b"IDAT", _stored(lines)), (b"IEND", b""))
        return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in parts)


def spans(polygon: Sequence[Point]) -> list[Span]:
    """The pixels whose centres lie within a convex polygon, row by row."""
    ys = [y for _, y in polygon]
    found = []
    for row in range(min(ys) // QUARTERS, max(ys) // QUARTERS + 1):
        crossings = sorted(_crossings(polygon, QUARTERS * row + QUARTERS // 2))
        if crossings:
            left, right = (_first_pixel(x) for x in (crossings[0], crossings[-1]))
            if left < right:
                found.append((row, left, right))
    return found


def _crossings(polygon: Sequence[Point], y: int) -> Iterator[float]:
    """Where the polygon's edges cross a horizontal line."""
    for (x1, y1), (x2, y2) in zip(polygon, (*polygon[1:], polygon[0])):
        if min(y1, y2) <= y < max(y1, y2):
            yield x1 + (y - y1) * (x2 - x1) / (y2 - y1)


def _first_pixel(x: float) -> int:
    """The first pixel of a row whose centre is not left of ``x``."""
    return int(-((QUARTERS // 2 - x) // QUARTERS))


def area(polygon: Sequence[Point]) -> float:
    """The polygon's area in square pixels."""
    pairs = zip(polygon, (*polygon[1:], polygon[0]))
    return abs(sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in pairs)) / (2 * QUARTERS**2)


def run_lengths(spans: Sequence[Span], width: int, height: int) -> list[int]:
    """COCO's uncompressed run lengths of a mask: column by column, beginning with what is out."""
    inside = {x * height + y for y, left, right in spans for x in range(left, right)}
    counts, current = [0], False
    for place in range(width * height):
        if (place in inside) != current:
            counts.append(0)
            current = not current
        counts[-1] += 1
    return counts


def _stored(data: bytes) -> bytes:
    """A zlib stream that holds the data as it is."""
    blocks = [data[at : at + 0xFFFF] for at in range(0, len(data), 0xFFFF)]
    stream = b"\x78\x01"
    for number, block in enumerate(blocks, start=1):
        stream += struct.pack("<BHH", number == len(blocks), len(block), len(block) ^ 0xFFFF)
        stream += block
    return stream + struct.pack(">I", zlib.adler32(data))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
