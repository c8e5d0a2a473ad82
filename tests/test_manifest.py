"""The manifest: the same bytes for the same port, read back as it was written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from porter.errors import TreeStateError
from porter.manifest import (
    MANIFEST_PATH,
    EditRecord,
    FileRecord,
    Manifest,
    PackageRecord,
    digest,
    is_inside,
    read_manifest,
)
from porter.model import Edit, NewFile, Skip

BEFORE, AFTER = digest(b"before"), digest(b"after")
MANIFEST = Manifest(
    target="sdaa",
    target_digest=digest(b"target"),
    recipe=digest(b"recipe"),
    only=(),
    without=("mmcv/other",),
    packages={
        "mmcv": PackageRecord("2.1.0", "mmcv", "archive", sha256=digest(b"archive")),
        "mmengine": PackageRecord("0.10.5", "mmengine", "git", commit="c" * 40),
    },
    rules={"mmcv/one": digest(b"one"), "mmengine/new": digest(b"new")},
    files=(
        FileRecord(
            "mmcv",
            "mmcv/a.py",
            BEFORE,
            AFTER,
            (EditRecord(3, 7, "é\udcff\n".encode("utf-8", "surrogateescape"), "mmcv/one", 2, 5, 6),),
        ),
        FileRecord("mmengine", "mmengine/b.py", "", AFTER, content=b"x\n", rule="mmengine/new"),
    ),
    folders=("mmengine/mmengine/chip",),
    skips=(Skip("mmcv/two", "mmcv", "sdaa has no trait so-and-so"),),
)  # fmt: skip


def test_it_is_read_back_as_it_was_written() -> None:
    text = MANIFEST.to_json()
    assert Manifest.from_json(text) == MANIFEST
    assert Manifest.from_json(text).to_json() == text


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_any_bytes_come_through(new: bytes, content: bytes) -> None:
    edit = EditRecord(0, 0, new, "mmcv/one", 0, 1, 1)
    files = (
        FileRecord("mmcv", "a", BEFORE, AFTER, (edit,)),
        FileRecord("mmcv", "b", "", AFTER, content=content, rule="mmcv/one"),
    )
    manifest = Manifest("t", "", "", (), (), MANIFEST.packages, {}, files, (), ())
    assert Manifest.from_json(manifest.to_json()).files == files


def test_it_is_canonical_json() -> None:
    text = MANIFEST.to_json()
    raw = json.loads(text)
    assert text == json.dumps(raw, sort_keys=True, indent=2) + "\n"
    assert raw["format"] == 1
    assert text.isascii()


def test_it_gives_the_plan_back() -> None:
    plan = MANIFEST.to_plan()
    assert plan.versions == {"mmcv": "2.1.0", "mmengine": "0.10.5"}
    assert plan.edits == (Edit("mmcv", "mmcv/a.py", 3, 7, b"\xc3\xa9\xff\n", "mmcv/one", 2),)
    assert plan.new_files == (NewFile("mmengine", "mmengine/b.py", b"x\n", "mmengine/new"),)
    assert (plan.skips, plan.rule_digests) == (MANIFEST.skips, MANIFEST.rules)


def test_files_are_found_by_where_they_are_in_the_tree() -> None:
    assert MANIFEST.by_location["mmcv/mmcv/a.py"] is MANIFEST.files[0]
    assert MANIFEST.location("mmengine", "mmengine/b.py") == "mmengine/mmengine/b.py"


def _set(*path: str | int, value: object) -> Callable[[dict[str, Any]], None]:
    def change(raw: Any) -> None:
        for key in path[:-1]:
            raw = raw[key]
        raw[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(_set("target", value="sdaa"), "target is not dict", id="a table is text"),
        pytest.param(lambda raw: raw.pop("rules"), "'rules'", id="a key is missing"),
        pytest.param(_set("files", 0, "path", value="../x"), "leaves the folder", id="a path goes up"),
        pytest.param(_set("files", 0, "path", value="/etc/x"), "leaves the folder", id="a path is absolute"),
        pytest.param(_set("packages", "mmcv", "folder", value="a/../.."), "leaves the folder", id="a folder goes up"),
        pytest.param(_set("folders", value=["/"]), "leaves the folder", id="a made folder is the root"),
        pytest.param(_set("files", 0, "package", value="mmdet"), "a package that is not listed", id="unlisted package"),
        pytest.param(_set("files", 0, "edits", 0, "span", value=[1]), "unpack", id="half a span"),
        pytest.param(_set("files", 0, "edits", 0, "span", value=[1, "2"]), "not a number", id="a span of text"),
        pytest.param(_set("only", value=[1]), "not text", id="a rule is a number"),
        pytest.param(_set("format", value=2), "has format 2, and this porter knows format 1", id="a later format"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_damaged_one_is_said(
    change: Callable[[dict[str, Any]], None], message: str
) -> None:
    raw = json.loads(MANIFEST.to_json())
    change(raw)
    with pytest.raises(TreeStateError, match=message) as caught:
        Manifest.from_json(json.dumps(raw), name="here/manifest.json")
    assert caught.value.message.startswith("here/manifest.json")
    assert caught.value.hint


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b"\xff\xfe", b"null"])
def test_what_is_no_manifest_at_all_is_named_too(text: bytes, tmp_path: Path) -> None:
    (tmp_path / MANIFEST_PATH).parent.mkdir()
    (tmp_path / MANIFEST_PATH).write_bytes(text)
    with pytest.raises(TreeStateError, match=r"manifest\.json"):
        read_manifest(tmp_path)


def test_a_folder_without_one_is_not_ported(tmp_path: Path) -> None:
    assert read_manifest(tmp_path) is None
    assert read_manifest(tmp_path / "missing") is None


@pytest.mark.parametrize(
    ("path", "inside"),
    [
        ("a/b.py", True),
        (".", True),
        ("a..b/c", True),
        ("", False),
        ("..", False),
        ("a/../b", False),
        ("/a", False),
        ("a\\..\\b", False),
    ],
)
def test_paths_stay_inside(path: str, inside: bool) -> None:
    assert is_inside(path) is inside
