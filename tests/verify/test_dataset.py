"""The synthetic data set: the same bytes everywhere, and what a loader of COCO must get over."""

from __future__ import annotations

import json
import struct
import threading
import zlib
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from porter.errors import UsageError, WriteError
from porter.source.cache import Cache
from porter.verify.data import dataset
from porter.verify.data.dataset import (
    CATEGORIES,
    DIGEST,
    dataset_digest,
    dataset_files,
    folder_digest,
    synthetic_coco,
    write_synthetic_coco,
)
from porter.verify.data.picture import Canvas, area, run_lengths, spans

SPLITS = {"train2017": 24, "val2017": 8}


@pytest.fixture(scope="module")
def coco(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("coco")
    write_synthetic_coco(folder)
    return folder


def annotations(coco: Path, split: str) -> Any:
    return json.loads((coco / f"annotations/instances_{split}.json").read_text())


def test_its_bytes_are_the_recorded_ones(coco: Path) -> None:
    assert dataset_digest() == DIGEST == folder_digest(coco)


@pytest.mark.parametrize(("split", "count"), SPLITS.items())
def test_every_image_is_a_png_of_its_stated_size(coco: Path, split: str, count: int) -> None:
    images = annotations(coco, split)["images"]
    assert len(images) == count
    assert {path.name for path in (coco / split).iterdir()} == {i["file_name"] for i in images}
    for image in images:
        data = (coco / split / image["file_name"]).read_bytes()
        assert data[:8] == b"\x89PNG\r\n\x1a\n"
        assert struct.unpack(">II", data[16:24]) == (image["width"], image["height"])
        assert 96 <= min(image["width"], image["height"]) <= max(image["width"], image["height"])
        assert max(image["width"], image["height"]) <= 160
    assert len({image["width"] < image["height"] for image in images}) == 2


def test_a_png_holds_its_rows_uncompressed() -> None:
    canvas = Canvas.noisy(160, 150, "name", darkest=40)
    data = canvas.png()
    at = data.index(b"IDAT")
    (length,) = struct.unpack(">I", data[at - 4 : at])
    body = data[at + 4 : at + 4 + length]
    assert zlib.decompress(body) == b"".join(b"\0" + bytes(row) for row in canvas.rows)
    assert len(body) > 160 * 150 * 3, "not compressed, and longer than one stored block"
    assert struct.unpack(">I", data[at + 4 + length : at + 8 + length]) == (
        zlib.crc32(b"IDAT" + body),
    )


@pytest.mark.parametrize(
    ("polygon", "pixels"),
    [
        pytest.param([(0, 0), (8, 0), (8, 8), (0, 8)], [(0, 0, 2), (1, 0, 2)], id="whole pixels"),
        pytest.param([(2, 0), (6, 0), (6, 4), (2, 4)], [(0, 0, 1)], id="the right centre is out"),
        pytest.param([(3, 0), (7, 0), (7, 4), (3, 4)], [(0, 1, 2)], id="the left centre is out"),
        pytest.param([(0, 3), (8, 3), (8, 5), (0, 5)], [], id="between two rows of centres"),
        pytest.param([(8, 0), (16, 8), (0, 8)], [(0, 1, 2), (1, 0, 3)], id="triangle"),
    ],
)
def test_a_pixel_is_painted_if_its_centre_is_within(
    polygon: list[tuple[int, int]], pixels: list[tuple[int, int, int]]
) -> None:
    assert spans(polygon) == pixels


def test_areas_are_exact() -> None:
    assert area([(0, 0), (8, 0), (8, 8), (0, 8)]) == 4.0
    assert area([(8, 0), (16, 8), (0, 8)]) == 4.0


def test_run_lengths_go_down_the_columns_and_begin_with_what_is_out() -> None:
    assert run_lengths([(0, 0, 1), (1, 0, 2)], width=3, height=2) == [0, 2, 1, 1, 2]
    assert run_lengths([(0, 1, 2)], width=2, height=2) == [2, 1, 1]


def test_the_categories_are_cocos(coco: Path) -> None:
    assert len(CATEGORIES) == 80
    assert [CATEGORIES[n] for n in (1, 13, 27, 44, 90)] == [
        *("person", "stop sign", "backpack", "bottle", "toothbrush"),
    ]
    for split in SPLITS:
        document = annotations(coco, split)
        assert [entry["id"] for entry in document["categories"]] == sorted(CATEGORIES)
        used = {found["category_id"] for found in document["annotations"]}
        assert len(used) == 8
        assert used < set(CATEGORIES)


def test_ids_are_unique_over_both_splits(coco: Path) -> None:
    documents = [annotations(coco, split) for split in SPLITS]
    for key in ("images", "annotations"):
        ids = [entry["id"] for document in documents for entry in document[key]]
        assert ids == list(range(1, len(ids) + 1))


def test_what_usual_filters_look_for_is_there(coco: Path) -> None:
    document = annotations(coco, "train2017")
    found = document["annotations"]
    assert [entry for entry in found if entry["iscrowd"]]
    assert [entry for entry in found if entry["bbox"][2] < 1]
    assert [entry for entry in found if 1 < entry["area"] <= 16]
    assert len({image["id"] for image in document["images"]} - {e["image_id"] for e in found}) == 1


def test_boxes_lie_within_their_images(coco: Path) -> None:
    for split in SPLITS:
        document = annotations(coco, split)
        sizes = {image["id"]: (image["width"], image["height"]) for image in document["images"]}
        for found in document["annotations"]:
            x, y, width, height = found["bbox"]
            assert x >= 0
            assert y >= 0
            assert x + width <= sizes[found["image_id"]][0]
            assert y + height <= sizes[found["image_id"]][1]


def test_the_cache_has_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = synthetic_coco(Cache(tmp_path))
    assert folder_digest(folder) == DIGEST
    monkeypatch.setattr(dataset, "_write", None)
    assert synthetic_coco(Cache(tmp_path)) == folder


@pytest.mark.parametrize("damage", ["changed", "lost", "added", "a file"])
def test_a_damaged_one_is_written_anew(tmp_path: Path, damage: str) -> None:
    folder = synthetic_coco(Cache(tmp_path))
    image = folder / "val2017/000000000025.png"
    if damage == "changed":
        image.write_bytes(image.read_bytes()[:-1])
    elif damage == "lost":
        image.unlink()
    elif damage == "added":
        (folder / "more.txt").touch()
    else:
        folder.rename(tmp_path / "elsewhere")
        folder.touch()
    assert folder_digest(synthetic_coco(Cache(tmp_path))) == DIGEST


def test_scraps_of_a_killed_porter_are_swept(tmp_path: Path) -> None:
    scrap = tmp_path / "data" / f"coco-{DIGEST[:16]}.77.part"
    (scrap / "train2017").mkdir(parents=True)
    folder = synthetic_coco(Cache(tmp_path))
    assert list(folder.parent.iterdir()) == [folder]


def test_two_at_once_get_the_same_whole_folder(tmp_path: Path) -> None:
    found: list[str] = []
    threads = [
        threading.Thread(
            target=lambda: found.append(folder_digest(synthetic_coco(Cache(tmp_path))))
        )
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [DIGEST] * 3


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(WriteError, match="cannot be written"):
        synthetic_coco(Cache(tmp_path))


def test_a_users_folder_must_be_new_or_empty(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder, message in ((tmp_path, "is not empty"), (tmp_path / "file", "is a file")):
        with pytest.raises(UsageError, match=message):
            write_synthetic_coco(folder)
    write_synthetic_coco(tmp_path / "new")
    assert folder_digest(tmp_path / "new") == DIGEST


def test_files_come_split_by_split_with_the_annotations_last() -> None:
    names = [name for name, _ in dataset_files()]
    assert names[24] == "annotations/instances_train2017.json"
    assert names[-1] == "annotations/instances_val2017.json"
    assert all(one < other for one, other in pairwise(names[:24]))


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # pycocotools on numpy 2
@pytest.mark.parametrize("split", SPLITS)
def test_pycocotools_finds_in_the_masks_what_is_stated(coco: Path, split: str) -> None:
    """The box and the area of each annotation, measured on the mask that is made of it."""
    pycocotools = pytest.importorskip("pycocotools.coco")
    numpy = pytest.importorskip("numpy")
    loaded = pycocotools.COCO(str(coco / f"annotations/instances_{split}.json"))
    for found in loaded.anns.values():
        x, y, width, height = found["bbox"]
        if width < 1:
            continue
        mask = loaded.annToMask(found)
        rows, columns = numpy.nonzero(mask)
        assert abs(mask.sum() - found["area"]) <= 0.08 * found["area"]
        edges = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        stated = (x, y, x + width, y + height)
        assert all(abs(one - other) <= 3 for one, other in zip(edges, stated, strict=True))


@pytest.mark.torch
def test_opencv_reads_the_colours_that_were_painted(coco: Path) -> None:
    """A car's colour is found at the centre of every car that is not a mere speck."""
    cv2 = pytest.importorskip("cv2")
    document = annotations(coco, "train2017")
    cars = [e for e in document["annotations"] if e["category_id"] == 3]
    assert len(cars) > 5
    for car in cars:
        x, y, width, height = car["bbox"]
        image = cv2.imread(str(coco / f"train2017/{car['image_id']:012}.png"))
        blue, green, red = map(int, image[int(y + height / 2), int(x + width / 2)])
        assert (red, green, blue) in ((48, 96, 224), (24, 72, 200))
