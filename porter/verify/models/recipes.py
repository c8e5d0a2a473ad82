"""What to train: models by alias, by mmdet config, or by a recipe file of the user's.

A recipe is a small TOML file: the config for each set of pins, what a smoke run overrides, and
what the model exercises. ``recipes/aliases.toml`` names the models that need no more than a
config.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from porter.errors import UsageError
from porter.rulebook.tomlfile import Table, read_toml

FOLDER = Path(__file__).with_name("recipes")
ALIASES = "aliases.toml"
MAIN_SET = "default"
#: How many names a message suggests.
_SUGGESTED = 4


@dataclass(frozen=True)
class Recipe:
    """A model to train, and how a smoke run trains it.

    Attributes:
        name: The alias, or the config's or recipe file's name without suffix.
        configs: Set of pins -> config: a path relative to mmdet's ``configs``, or an absolute
            one. mmdet 2 names its configs otherwise than mmdet 3.
        config: The one that was found; empty in a listing.
        summary: The model in a few words.
        exercises: What a training of it exercises, in words.
        ops: The operators of mmcv that it needs, by the names of their kernels.
        needs: What a run needs that porter does not bring; empty for nothing.
        rules: Ids of the rules that bring the model, where mmdet has none; both sides get them.
        canvas: Whether each batch is put on a canvas of one size, where the port knows one.
        since: The release of mmdet that brought the config; empty if all supported ones have it.
        options: Dotted config keys -> values, for smoke runs; what is made smaller in every
            config (``porter.training.config.smoke``) needs none.
        steps: Of a smoke run; None, as for the three below, for porter's own.
        image_size: Longest side of an image, in pixels.
        pin_sets: Target -> the set of pins that the model is ported by where nobody named one.
        path: The file it is from; empty for a plain config.
    """

    name: str
    configs: Mapping[str, str]
    config: str = ""
    summary: str = ""
    exercises: str = ""
    ops: tuple[str, ...] = ()
    needs: str = ""
    rules: tuple[str, ...] = ()
    canvas: bool = False
    pin_sets: Mapping[str, str] = field(default_factory=dict)
    since: str = ""
    options: Mapping[str, object] = field(default_factory=dict)
    steps: int | None = None
    batch_size: int | None = None
    image_size: int | None = None
    lr: float | None = None
    path: str = ""


def find_recipe(name: str, configs: Path | Sequence[Path], pin_set: str = MAIN_SET) -> Recipe:
    """The recipe that a name stands for.

    Args:
        name: An alias, a config's name with or without ``.py``, a config's path (from here, from
            ``configs``, or absolute), or the path of a recipe file.
        configs: mmdet's folder of configs; or several, the first of which is asked first.
        pin_set: Which of a recipe's configs to take; the default one where it has no other.

    Returns:
        The recipe, with ``config`` relative to ``configs`` or, for a config from elsewhere,
        absolute.

    Raises:
        UsageError: If nothing has that name, several things have, or a recipe cannot be used.
    """
    folders = (configs,) if isinstance(configs, Path) else tuple(configs)
    if _normal(name) in known_models() or name.endswith(".toml"):
        return _settled(get_model(name), folders, pin_set)
    config = _config_by_path(name, folders) or _config_by_name(name, folders)
    if not config:
        raise _unknown(name, folders)
    return Recipe(PurePosixPath(config).stem, {MAIN_SET: config}, config)


def get_model(name: str) -> Recipe:
    """The recipe of an alias, or in a file; its config is not looked for.

    Raises:
        UsageError: If there is none, or it cannot be used.
    """
    models = known_models()
    if _normal(name) in models:
        return models[_normal(name)]
    if name.endswith(".toml"):
        return read_recipe(Path(name))
    near = get_close_matches(_normal(name), models, n=_SUGGESTED)
    did = f"Did you mean {' or '.join(f'`{one}`' for one in near)}?" if near else ""
    raise UsageError(
        f"there is no model {name!r}", hint=did or "`porter models list` lists the models."
    )


def recipe_of(name: str) -> Recipe:
    """What a recipe says of a model, whatever the configs; an empty one for a plain config."""
    if _normal(name) in known_models() or name.endswith(".toml"):
        return get_model(name)
    return Recipe(name, {})


@lru_cache(maxsize=1)
def known_models() -> Mapping[str, Recipe]:
    """Alias -> recipe, by name."""
    own = {path.stem: read_recipe(path) for path in FOLDER.glob("*.toml") if path.name != ALIASES}
    return dict(sorted({**_plain_recipes(FOLDER / ALIASES), **own}.items()))


def read_recipe(path: Path) -> Recipe:
    """The recipe in a file.

    Raises:
        UsageError: If it cannot be read, or says what a recipe cannot say.
    """
    _, values = read_toml(path, UsageError)
    table = Table(values, path, "", UsageError)
    recipe = Recipe(
        name=path.stem,
        configs=table.mapping("config"),
        summary=table.text("summary", ""),
        exercises=table.text("exercises", ""),
        ops=table.texts("ops", []),
        needs=table.text("needs", ""),
        rules=table.texts("rules", []),
        canvas=_flag(table, "canvas"),
        pin_sets=table.mapping("pin_sets") if "pin_sets" in table else {},
        since=table.text("since", ""),
        options=dict(_flat(_options(table))),
        steps=_whole(table, "steps"),
        batch_size=_whole(table, "batch_size"),
        image_size=_whole(table, "image_size"),
        lr=_rate(table),
        path=str(path),
    )
    table.close()
    if MAIN_SET not in recipe.configs:
        raise table.fail(f"the key `{MAIN_SET}` is missing", "config")
    return recipe


def _plain_recipes(path: Path) -> dict[str, Recipe]:
    _, values = read_toml(path, UsageError)
    table = Table(values, path, "", UsageError)
    aliases, needs, since = (table.mapping(key) for key in ("aliases", "needs", "since"))
    table.close()
    return {
        name: Recipe(
            name=name,
            configs={MAIN_SET: config},
            needs=needs.get(name, ""),
            since=since.get(name, ""),
            path=str(path),
        )
        for name, config in aliases.items()
    }


def _options(table: Table) -> Any:
    value = table.raw("options", {})
    if not isinstance(value, dict):
        raise table.fail(f"must be a table, not {value!r}", "options")
    return value


def _flat(table: Any, prefix: str = "") -> Iterator[tuple[str, object]]:
    """A table's leaves under their dotted keys, as mmengine's ``--cfg-options`` has them."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _whole(table: Table, key: str) -> int | None:
    value = table.raw(key, None) if key in table else None
    if value is not None and (type(value) is not int or value < 1):
        raise table.fail(f"must be a whole number above 0, not {value!r}", key)
    return value


def _flag(table: Table, key: str) -> bool:
    value = table.raw(key, False)
    if not isinstance(value, bool):
        raise table.fail(f"must be true or false, not {value!r}", key)
    return value


def _rate(table: Table) -> float | None:
    value = table.raw("lr", None) if "lr" in table else None
    if value is not None and (type(value) not in (int, float) or value <= 0):
        raise table.fail(f"must be a number above 0, not {value!r}", "lr")
    return None if value is None else float(value)


def _settled(recipe: Recipe, folders: Sequence[Path], pin_set: str) -> Recipe:
    """The recipe with the config that fits the pins; it had better be there."""
    config = recipe.configs.get(pin_set, recipe.configs[MAIN_SET])
    if Path(recipe.path).parent != FOLDER and not _holds(folders, config):
        config = _absolute(config, recipe, folders)
    if _holds(folders, config):
        return replace(recipe, config=config)
    since = f"It came with mmdet {recipe.since}." if recipe.since else ""
    raise UsageError(
        f"the model {recipe.name}: there is no config {config} in {folders[0]}",
        hint=since or "Name a config of this mmdet instead; `porter models list` has others.",
    )


def _holds(folders: Sequence[Path], config: str) -> bool:
    return any((folder / config).is_file() for folder in folders)


def _absolute(config: str, recipe: Recipe, folders: Sequence[Path]) -> str:
    """A config that a user's recipe names from its own folder."""
    return _within(Path(recipe.path).absolute().parent / config, folders)


def _config_by_path(name: str, folders: Sequence[Path]) -> str:
    """The config at a path from a folder of configs (which may be named too), or from here."""
    inner = name.removeprefix("configs/")
    for text in (inner, f"{inner}.py"):
        if "/" in text and not Path(text).is_absolute() and _holds(folders, text):
            return PurePosixPath(text).as_posix()
    path = Path(name).expanduser()
    return _within(path, folders) if path.suffix == ".py" and path.is_file() else ""


def _within(path: Path, folders: Sequence[Path]) -> str:
    """The path from a folder of configs, if it leads there; else the absolute one.

    A config of the ported tree is taken as the same one of any other tree, as long as it is.
    """
    path = path.resolve()
    for configs in folders:
        for start in (index + 1 for index, part in enumerate(path.parts) if part == configs.name):
            inner = Path(*path.parts[start:])
            same = configs / inner
            if same.is_file() and same.read_bytes() == path.read_bytes():
                return inner.as_posix()
    return str(path)


def _config_by_name(name: str, folders: Sequence[Path]) -> str:
    """The one config of that name, in whatever folder.

    Raises:
        UsageError: If several have it.
    """
    wanted = name.removesuffix(".py")
    names = sorted(found for found in _trainable(folders) if PurePosixPath(found).stem == wanted)
    if len(names) > 1:
        listed = ", ".join(names)
        raise UsageError(f"{name} is the name of several configs", hint=f"Name one: {listed}.")
    return names[0] if names else ""


def _trainable(folders: Sequence[Path]) -> set[str]:
    """All configs but the parts that they are made of, each from its folder of configs."""
    return {
        path.relative_to(configs).as_posix()
        for configs in folders
        for folder in configs.iterdir()
        if folder.is_dir() and folder.name != "_base_"
        for path in folder.rglob("*.py")
    }


def _normal(name: str) -> str:
    """An alias however it is spelled: ``Faster-RCNN`` is ``faster_rcnn``."""
    return name.lower().replace("-", "_")


def _unknown(name: str, folders: Sequence[Path]) -> UsageError:
    stems = {PurePosixPath(config).stem for config in _trainable(folders)}
    wanted = PurePosixPath(name).name.removesuffix(".py")
    near = get_close_matches(_normal(name), known_models(), n=_SUGGESTED)
    near += get_close_matches(wanted, sorted(stems), n=_SUGGESTED - len(near)) if wanted else []
    did = f"Did you mean {' or '.join(f'`{one}`' for one in near)}? " if near else ""
    return UsageError(
        f"there is no model or config {name!r}",
        hint=f"{did}`porter models list` lists the models; a path of a config does too.",
    )
