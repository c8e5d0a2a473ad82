"""Models by name: aliases, configs and recipe files, and what is said of names that are none."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.version import Version

from porter.errors import UsageError
from porter.source import Cache, fetch
from porter.source.pins import known_pin, known_versions
from porter.verify.models.recipes import (
    FOLDER,
    find_recipe,
    known_models,
    read_recipe,
    recipe_of,
)
from porter.verify.trees import OWN_CONFIGS

REPPOINTS = "reppoints/reppoints-moment_r50_fpn_1x_coco.py"
FILES = [
    "_base_/datasets/voc0712.py",
    "dsdl/voc0712.py",
    REPPOINTS,
    "fcos/fcos_r50.py",
    "glip/lvis/twice.py",
    "glip/odinw/twice.py",
]


@pytest.fixture
def configs(tmp_path: Path) -> Path:
    return write_configs(tmp_path / "mmdet" / "configs")


def write_configs(folder: Path) -> Path:
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"name = '{name}'\n")
    return folder


@pytest.mark.parametrize(
    ("name", "config"),
    [
        pytest.param("reppoints", REPPOINTS, id="an alias"),
        pytest.param("RepPoints", REPPOINTS, id="an alias in other letters"),
        pytest.param("fcos_r50", "fcos/fcos_r50.py", id="a config's name"),
        pytest.param("fcos_r50.py", "fcos/fcos_r50.py", id="with its suffix"),
        pytest.param("fcos/fcos_r50", "fcos/fcos_r50.py", id="a path without suffix"),
        pytest.param("fcos/fcos_r50.py", "fcos/fcos_r50.py", id="a path"),
        pytest.param("configs/fcos/fcos_r50.py", "fcos/fcos_r50.py", id="from the project"),
        pytest.param("voc0712", "dsdl/voc0712.py", id="parts of configs do not count"),
        pytest.param("glip/lvis/twice.py", "glip/lvis/twice.py", id="one of two, by its path"),
    ],
)
def test_a_name_stands_for_a_config(configs: Path, name: str, config: str) -> None:
    assert find_recipe(name, configs).config == config


def test_a_config_of_one_tree_is_the_same_one_of_the_other(configs: Path, tmp_path: Path) -> None:
    ported = write_configs(tmp_path / "vendor" / "configs")
    assert find_recipe(str(ported / "fcos/fcos_r50.py"), configs).config == "fcos/fcos_r50.py"


def test_a_config_that_was_edited_is_one_of_its_own(configs: Path, tmp_path: Path) -> None:
    own = write_configs(tmp_path / "vendor" / "configs") / "fcos/fcos_r50.py"
    own.write_text("name = 'mine'\n")
    found = find_recipe(str(own), configs)
    assert (found.name, found.config) == ("fcos_r50", str(own))
    assert configs / found.config == own


def test_a_config_from_here(configs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").touch()
    monkeypatch.chdir(tmp_path)
    assert find_recipe("mine.py", configs).config == str(tmp_path / "mine.py")


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("repoints", "there is no model or config 'repoints'", "Did you mean `reppoints` or"),
        ("fcos_r5O", "there is no model or config 'fcos_r5O'", "`fcos_r50`"),
        ("fcos/nothing.py", "there is no model or config", "`porter models list`"),
        ("", "there is no model or config ''", "`porter models list`"),
        ("[!x]*", "there is no model or config", "`porter models list`"),
        ("twice", "twice is the name of several configs", "glip/lvis/twice.py, glip/odinw/twice."),
        ("nothing.toml", "nothing.toml: cannot be read", ""),
        ("retinanet", "the model retinanet: there is no config", "Name a config of this mmdet"),
        ("ddq", "the model ddq: there is no config", "It came with mmdet 3.2.0."),
    ],
)
def test_a_name_that_stands_for_nothing(configs: Path, name: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_recipe(name, configs)
    assert caught.value.message.startswith(message)
    assert hint in caught.value.hint


def write_recipe(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


RECIPE = """
summary = "Mine"
exercises = "everything"
ops = ["nms"]
steps = 20
batch_size = 3
image_size = 96
lr = 0.001

[config]
default = "fcos/fcos_r50.py"
legacy = "reppoints/reppoints-moment_r50_fpn_1x_coco.py"

[options]
model.backbone.depth = 18
model.backbone.out_indices = [1, 2]
"train_pipeline.0.type" = "Load"
"""


def test_a_recipe_of_the_users(configs: Path, tmp_path: Path) -> None:
    path = write_recipe(tmp_path, RECIPE)
    found = find_recipe(str(path), configs)
    assert (found.name, found.config, found.ops) == ("mine", "fcos/fcos_r50.py", ("nms",))
    assert (found.steps, found.batch_size, found.image_size, found.lr) == (20, 3, 96, 0.001)
    assert found.options == {
        "model.backbone.depth": 18,
        "model.backbone.out_indices": [1, 2],
        "train_pipeline.0.type": "Load",
    }


def test_a_recipe_has_a_config_for_each_set_of_pins(configs: Path, tmp_path: Path) -> None:
    path = str(write_recipe(tmp_path, RECIPE))
    assert find_recipe(path, configs, "legacy").config == REPPOINTS
    assert find_recipe(path, configs, "newest").config == "fcos/fcos_r50.py"


def test_a_recipe_names_a_config_beside_it(configs: Path, tmp_path: Path) -> None:
    (tmp_path / "own.py").touch()
    path = write_recipe(tmp_path, '[config]\ndefault = "own.py"\n')
    assert find_recipe(str(path), configs).config == str(tmp_path / "own.py")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[config]\nlegacy = 'x.py'", "mine.toml: config: the key `default` is missing"),
        ("[config]\ndefault = 1", "config.default: must be a string"),
        ("[config]\ndefault = 'x.py'\n[option]\na = 1", "unknown key `option`"),
        ("steps = 0\n[config]\ndefault = 'x.py'", "steps: must be a whole number above 0"),
        ("steps = true\n[config]\ndefault = 'x.py'", "steps: must be a whole number above 0"),
        ("lr = -1\n[config]\ndefault = 'x.py'", "lr: must be a number above 0"),
        ("options = 3\n[config]\ndefault = 'x.py'", "options: must be a table"),
        ("config", "not valid TOML"),
    ],
)
def test_a_recipe_that_cannot_be_used(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_recipe(write_recipe(tmp_path, text))
    assert message in caught.value.message


def test_the_default_numbers_are_left_to_porter(tmp_path: Path) -> None:
    found = read_recipe(write_recipe(tmp_path, "[config]\ndefault = 'x.py'"))
    assert (found.steps, found.batch_size, found.image_size, found.lr) == (None,) * 4


def test_the_aliases_name_as_many_models_as_the_launch_script_does() -> None:
    models = known_models()
    assert len(models) >= 95
    assert list(models) == sorted(models)
    assert all(name == name.lower() and name.isidentifier() for name in models)


def test_every_model_with_a_recipe_says_what_it_exercises() -> None:
    own = [model for model in known_models().values() if not model.path.endswith("aliases.toml")]
    assert len(own) == len(list(FOLDER.glob("*.toml"))) - 1
    assert all(model.summary and model.exercises for model in own)


def test_the_models_that_must_be_shown() -> None:
    models = known_models()
    assert models["reppoints"].configs["default"] == REPPOINTS
    assert "modulated_deform_conv" in models["centernet"].ops
    assert "dcnv2" in models["centernet"].configs["default"]
    assert "roi_align" in models["faster_rcnn"].ops


#: The archives of mmdet 2 hold no configs; only its git repository does.
VERSIONS = [version for version in known_versions("mmdet") if not version.startswith("2.")]


@pytest.mark.upstream
@pytest.mark.parametrize("version", VERSIONS)
def test_every_config_is_in_every_supported_mmdet(version: str, upstream_cache: Path) -> None:
    pin = known_pin("mmdet", version)
    (tree,) = fetch([pin], Cache(upstream_cache))
    there = {path.partition(".mim/configs/")[2] for path in tree.paths()}
    for model in known_models().values():
        expected = Version(model.since or "0") <= Version(version) and not model.rules
        assert (model.configs["default"] in there) == expected, model.name


@pytest.mark.parametrize(
    "name",
    ["atss", "faster_rcnn", "fcos", "fsaf", "gfl", "mask_rcnn", "retinanet", "ssd", "yolo"],
)
def test_porter_brings_configs_for_mmdet_2(name: str) -> None:
    """Its archives have none."""
    assert (OWN_CONFIGS / find_recipe(name, [OWN_CONFIGS], "legacy").config).is_file()


def test_the_first_folder_that_has_a_config_is_asked(configs: Path, tmp_path: Path) -> None:
    assert find_recipe("reppoints", [tmp_path, configs]).config == REPPOINTS


def test_what_a_recipe_asks_of_a_port() -> None:
    asked = recipe_of("gfocalv2")
    assert (asked.rules, asked.canvas, asked.pin_sets) == (
        ("mmdet/gfocal-v2",),
        True,
        {"npu": "legacy"},
    )
    assert recipe_of("fcos_r50").rules == ()
