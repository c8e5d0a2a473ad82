"""A small COCO data set that porter writes itself: the same bytes on every machine.

It has what COCO's own has and a loader must get over: boxes and polygons of several sizes, a
crowd with a mask, an object of few pixels, one thinner than a pixel, an image without objects,
portrait and landscape images. It teaches a model nothing worth knowing.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from functools import cache as kept
from pathlib import Path
from typing import Any

from porter.errors import UsageError
from porter.source.cache import Cache
from porter.verify.data.scenes import Scene, category_table, make_scene

#: Digest of the whole; a run that was recorded on other data is not compared with one on this.
DIGEST = "d90d126369fcbd46d8179b135f8ab95d8c32bca91ee9ea2ca47d23eccd9dc9b3"

#: COCO's eighty categories in the order of their ids.
_NAMES = (
    "person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, "
    "fire hydrant, stop sign, parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, "
    "bear, zebra, giraffe, backpack, umbrella, handbag, tie, suitcase, frisbee, skis, snowboard, "
    "sports ball, kite, baseball bat, baseball glove, skateboard, surfboard, tennis racket, "
    "bottle, wine glass, cup, fork, knife, spoon, bowl, banana, apple, sandwich, orange, "
    "broccoli, carrot, hot dog, pizza, donut, cake, chair, couch, potted plant, bed, "
    "dining table, toilet, tv, laptop, mouse, remote, keyboard, cell phone, microwave, oven, "
    "toaster, sink, refrigerator, book, clock, vase, scissors, teddy bear, hair drier, toothbrush"
)
#: Ids that COCO's detection annotations do not use.
_UNUSED = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}
CATEGORIES = dict(zip((n for n in range(1, 91) if n not in _UNUSED), _NAMES.split(", ")))

_SPECIAL = {
    ("train2017", 3): "crowd",
    ("train2017", 6): "small",
    ("train2017", 9): "sliver",
    ("train2017", 12): "empty",
    ("val2017", 2): "crowd",
    ("val2017", 5): "small",
    ("val2017", 7): "empty",
}
_IMAGES = {"train2017": 24, "val2017": 8}


def synthetic_coco(cache: Cache) -> Path:
    """The data set's folder in the cache: written if it is not there whole.

    Returns:
        The folder that holds ``train2017``, ``val2017`` and ``annotations``.

    Raises:
        WriteError: If the cache folder cannot be written.
    """
    folder = cache.root / "data" / f"coco-{DIGEST[:16]}"
    if folder_digest(folder) == DIGEST:
        return folder
    with cache.lock(folder.name), cache.writing():
        if folder_digest(folder) != DIGEST:
            _replace(folder)
    return folder


def write_synthetic_coco(folder: Path) -> None:
    """Write the data set into a folder of the user's, which is made or is empty.

    Raises:
        UsageError: If it is a file, or holds anything.
        OSError: If it cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file", hint="Name a folder that is new or empty.")
    if folder.is_dir() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty", hint="Name a folder that is new or empty.")
    _write(folder)


def _replace(folder: Path) -> None:
    """Write the folder beside its place, and rename it; what was there before is damaged."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    for scrap in folder.parent.glob(f"{folder.name}.*.part"):
        _remove(scrap)
    part = folder.with_name(f"{folder.name}.{os.getpid()}.part")
    _write(part)
    if folder.exists():
        _remove(folder)
    part.replace(folder)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def _write(folder: Path) -> None:
    for name, data in dataset_files():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def dataset_files() -> Iterator[tuple[str, bytes]]:
    """Path in the data set and content of every file, sorted by path within each split."""
    first_image = first_annotation = 1
    for split, count in _IMAGES.items():
        images, annotations = [], []
        for number in range(count):
            scene = make_scene(f"{split}/{number}", _SPECIAL.get((split, number), ""))
            image = _image_entry(scene, first_image + number)
            yield f"{split}/{image['file_name']}", scene.canvas.png()
            images.append(image)
            annotations += [{**found, "image_id": image["id"]} for found in scene.annotations]
        numbered = [{**found, "id": first_annotation + n} for n, found in enumerate(annotations)]
        first_image, first_annotation = first_image + count, first_annotation + len(annotations)
        yield f"annotations/instances_{split}.json", _annotation_file(images, numbered)


def _image_entry(scene: Scene, number: int) -> dict[str, Any]:
    canvas = scene.canvas
    size = {"width": canvas.width, "height": canvas.height}
    return {"id": number, "file_name": f"{number:012}.png", **size}


def _annotation_file(images: list[Any], annotations: list[Any]) -> bytes:
    document: Mapping[str, Any] = {
        "info": {"description": "Synthetic images, written by porter"},
        "licenses": [],
        "images": images,
        "annotations": annotations,
        "categories": category_table(CATEGORIES),
    }
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode() + b"\n"


@kept
def dataset_digest() -> str:
    """The digest of what this porter writes; made once, as drawing all images takes a while."""
    return _digest({name: hashlib.sha256(data).hexdigest() for name, data in dataset_files()})


def folder_digest(folder: Path) -> str:
    """The digest of what a folder holds; empty if it cannot be read."""
    try:
        files = [path for path in folder.rglob("*") if not path.is_dir()]
        return _digest(
            {
                path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
                for path in files
            }
        )
    except OSError:
        return ""


def _digest(files: Mapping[str, str]) -> str:
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(files.items()))
    return hashlib.sha256(lines.encode()).hexdigest()
