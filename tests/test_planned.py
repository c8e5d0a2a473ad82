"""Plans kept in the cache: the same as one made anew, or none at all."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from porter.errors import PlanError
from porter.manifest import Manifest
from porter.model import Target
from porter.plan import make_plan
from porter.port import planned as module
from porter.port.planned import planned
from porter.rulebook.catalog import load_rules, load_targets
from porter.source import Cache, Tree, fetch, known_pin
from porter.source.plans import MOST_KEPT, read_plan, write_plan
from tests.helpers import MemoryTree
from tests.world import (
    DEVICE,
    DEVICE_RULE,
    ROI_RULE,
    RULES,
    VERSIONS,
    World,
    make_world,
    open_world,
    release,
    replaced,
    snapshot,
    target,
    unprivileged,
)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return make_world(tmp_path, monkeypatch)


@pytest.fixture
def plans_made(monkeypatch: pytest.MonkeyPatch) -> list[Target]:
    """The targets of the plans that were made, and not found in the cache."""
    made: list[Target] = []

    def recorded(rules: object, target: Target, *rest: object, **options: object) -> object:
        made.append(target)
        return make_plan(rules, target, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "make_plan", recorded)
    return made


@pytest.fixture
def fresh_code_digest() -> Iterator[None]:
    module.code_digest.cache_clear()
    yield
    module.code_digest.cache_clear()


def kept(cache: Cache) -> list[Path]:
    return sorted(cache.plan_path("x").parent.glob("*"))


def trees(world: World) -> dict[str, Tree]:
    pins = [known_pin(*item) for item in VERSIONS.items()]
    return {tree.package: tree for tree in fetch(pins, world.cache, offline=True)}


def test_a_kept_plan_gives_the_same_tree_to_the_byte(
    world: World, plans_made: list[Target]
) -> None:
    first, before = world.apply(), world.files()
    shutil.rmtree(world.into)
    second = world.apply()
    assert len(plans_made) == 1
    assert second.plan == first.plan
    assert second.manifest.to_json() == first.manifest.to_json()
    assert world.files() == before


def test_a_kept_plan_is_found_without_libcst(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib, pytest; from tests.world import make_world;"
        "make_world(pathlib.Path(sys.argv[1]), pytest.MonkeyPatch()).apply(dry_run=True);"
        "print('libcst' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    here = Path(__file__).parent.parent
    answers = [subprocess.check_output(command, cwd=here, text=True).strip() for _ in range(2)]
    assert answers == ["True", "False"]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"rules": (replace(DEVICE_RULE, digest="1"), *RULES[1:])}, id="a rule changed"),
        pytest.param({"rules": RULES[1:]}, id="a rule gone"),
        pytest.param({"rules": (*RULES, replaced("more", DEVICE, "import os", "import os, sys"))}, id="a rule more"),
        pytest.param({"target": target("sdaa", "2")}, id="another target file"),
        pytest.param({"target": replace(target("npu"), digest=target("sdaa").digest)}, id="another target's name"),
        pytest.param({"only": (DEVICE_RULE.id,)}, id="one rule asked for"),
        pytest.param({"without": (DEVICE_RULE.id,)}, id="one rule left out"),
        pytest.param({"packages": ("mmcv", "mmengine")}, id="fewer packages"),
    ],
)  # fmt: skip
def test_whatever_decides_a_plan_is_asked_of_a_kept_one(
    change: dict[str, object], world: World, plans_made: list[Target]
) -> None:
    world.apply(dry_run=True)
    for _ in range(2):
        outcome = world.apply(dry_run=True, **change)
        assert len(plans_made) == 2
        request = world.request(**change)
        pristine = {name: tree for name, tree in trees(world).items() if name in request.versions}
        assert outcome.plan == make_plan(
            request.rules, request.target, pristine, only=request.only, without=request.without
        )


def test_another_archive_of_the_same_version_is_planned_anew(
    world: World, plans_made: list[Target], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.apply(dry_run=True)
    more = {**release("mmcv"), "mmcv/more.py": b""}
    monkeypatch.setattr("tests.world.release", lambda package, version: more)
    world.cache.archive_path(known_pin("mmcv", VERSIONS["mmcv"])).unlink()
    pin = world.fill_cache("mmcv", VERSIONS["mmcv"])
    monkeypatch.setitem(
        sys.modules["porter.source.pins"]._table()["mmcv"]["releases"][pin.version],
        "sha256", pin.sha256,
    )  # fmt: skip
    world.apply(dry_run=True)
    assert len(plans_made) == 2


@pytest.mark.usefixtures("fresh_code_digest")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("porter.port.planned.__version__", "9.9.9", id="porter"),
        pytest.param("packaging.__version__", "9.9.9", id="packaging"),
        pytest.param("sys.version", "3.99.0 (another build)", id="Python"),
    ],
)
def test_another_version_of_what_plans_is_asked_anew(
    name: str,
    value: str,
    world: World,
    plans_made: list[Target],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world.apply(dry_run=True)
    monkeypatch.setattr(name, value)
    module.code_digest.cache_clear()
    world.apply(dry_run=True)
    assert len(plans_made) == 2


@pytest.mark.usefixtures("fresh_code_digest")
def test_changed_code_of_porter_plans_anew_though_its_version_stays(
    world: World, plans_made: list[Target], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    copied = shutil.copytree(module._ROOT, tmp_path / "porter")
    monkeypatch.setattr(module, "_ROOT", copied)
    world.apply(dry_run=True)
    source = copied / "find" / "pattern.py"
    source.write_text(source.read_text(encoding="utf-8") + "# more\n", encoding="utf-8")
    module.code_digest.cache_clear()
    world.apply(dry_run=True)
    assert len(plans_made) == 2


def _foreign(data: bytes) -> bytes:
    """Whole and well formed, but the plan of another recipe."""
    text = data.partition(b"\n")[2].decode()
    manifest = replace(Manifest.from_json(text), recipe="another")
    return _sealed(manifest.to_json().encode())


def _other_result(data: bytes) -> bytes:
    """Whole and well formed, but its edits do not give the files that it says they give."""
    return _sealed(data.partition(b"\n")[2].replace(b"clone", b"other"))


def _beyond_the_file(data: bytes) -> bytes:
    manifest = Manifest.from_json(data.partition(b"\n")[2].decode())
    files = [
        replace(file, edits=tuple(replace(edit, end=9999) for edit in file.edits))
        for file in manifest.files
    ]
    return _sealed(replace(manifest, files=tuple(files)).to_json().encode())


def _sealed(data: bytes) -> bytes:
    from porter.source.plans import _seal

    return _seal(data) + b"\n" + data


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: b"", id="empty"),
        pytest.param(lambda data: data[:-100], id="cut short"),
        pytest.param(lambda data: data.replace(b"not among", b"not amonG"), id="a letter changed"),
        pytest.param(lambda data: b"\xff" * 200, id="no text"),
        pytest.param(lambda data: _sealed(b"[]"), id="another kind of document"),
        pytest.param(_foreign, id="of another recipe"),
        pytest.param(_other_result, id="with another result"),
        pytest.param(_beyond_the_file, id="an edit beyond the file"),
    ],
)
def test_a_damaged_or_foreign_plan_is_made_anew_and_replaced(
    damage: Callable[[bytes], bytes], world: World, plans_made: list[Target]
) -> None:
    only = (ROI_RULE.id,)  # so that some are skipped, with a reason
    first = world.apply(dry_run=True, only=only)
    (path,) = kept(world.cache)
    whole = path.read_bytes()
    assert damage(whole) != whole
    path.write_bytes(damage(whole))
    second = world.apply(dry_run=True, only=only)
    assert (second.plan, second.manifest) == (first.plan, first.manifest)
    assert len(plans_made) == 2
    assert path.read_bytes() == whole


def test_a_folder_has_no_digest_so_its_plan_is_not_kept(world: World) -> None:
    world.check_out()
    world.apply()
    in_memory = {"mmcv": MemoryTree("mmcv", VERSIONS["mmcv"], release("mmcv"))}
    planned(RULES, world.target, in_memory, world.cache)  # type: ignore[arg-type]
    assert kept(world.cache) == []


def test_a_rule_without_a_digest_keeps_no_plan(world: World) -> None:
    world.apply(dry_run=True, rules=(replace(DEVICE_RULE, digest=""), *RULES[1:]))
    assert kept(world.cache) == []


def test_a_plan_that_fails_is_not_kept(world: World) -> None:
    with pytest.raises(PlanError):
        world.apply(rules=(*RULES, replaced("gone", DEVICE, "gone()", "here()")))
    assert kept(world.cache) == []


def test_a_plan_that_breaks_a_file_is_shown_where_asked_for_and_never_kept(world: World) -> None:
    broken = replaced("broken", DEVICE, "import os", "import os\nreturn")
    pristine = trees(world)
    plan, _ = planned([broken], world.target, pristine, world.cache, must_compile=False)
    assert len(plan.edits) == 1
    with pytest.raises(PlanError, match="does not compile"):
        planned([broken], world.target, pristine, world.cache)
    assert kept(world.cache) == []


def test_a_cache_that_may_not_be_written_is_read_and_left_alone(
    monkeypatch: pytest.MonkeyPatch, plans_made: list[Target]
) -> None:
    with open_world(monkeypatch) as world:
        first = world.apply(dry_run=True, only=(ROI_RULE.id,))
        before = snapshot(world.cache.root)
        with unprivileged():
            again = world.apply(dry_run=True, only=(ROI_RULE.id,))
            assert len(plans_made) == 1
            world.apply(dry_run=True)
        assert again.plan == first.plan
        assert snapshot(world.cache.root) == before


def test_porters_at_once_see_a_whole_plan_or_none(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    texts = [f"{number}" * 100_000 for number in range(4)]

    def write_and_read(text: str) -> set[str | None]:
        seen = set()
        for _ in range(20):
            write_plan(cache, "one", text)
            seen.add(read_plan(cache, "one"))
        return seen

    with ThreadPoolExecutor(4) as pool:
        seen = set().union(*pool.map(write_and_read, texts))
    assert seen <= set(texts)
    assert [path.name for path in kept(cache)] == ["one.json"]


def test_the_oldest_plans_are_dropped(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    names = [f"plan-{number:03}" for number in range(MOST_KEPT + 3)]
    for name in names:
        write_plan(cache, name, name)
    assert [read_plan(cache, name) for name in names] == [None] * 3 + names[3:]


@pytest.mark.upstream
@pytest.mark.parametrize("name", ["sdaa", "npu", "bi_v150"])
def test_a_kept_plan_of_the_real_releases_is_the_plan(
    name: str, upstream_cache: Path, tmp_path: Path, plans_made: list[Target]
) -> None:
    chip, rules, cache = load_targets()[name], load_rules(), Cache(tmp_path)
    pins = [known_pin(*item) for item in chip.pins["default"].items()]
    pristine = {tree.package: tree for tree in fetch(pins, Cache(upstream_cache))}
    first = planned(rules, chip, pristine, cache)
    assert planned(rules, chip, pristine, cache) == first
    assert plans_made == [chip]
