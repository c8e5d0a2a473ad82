"""The models that porter knows by name, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from porter.render.blocks import BLANK, Block, Command, Fields, Text
from porter.render.words import count
from porter.verify.models.recipes import MAIN_SET, Recipe


def model_list(recipes: Iterable[Recipe]) -> list[Block]:
    """Those with a recipe of their own first, with what they exercise; then all others."""
    recipes = list(recipes)
    own = [recipe for recipe in recipes if recipe.exercises]
    plain = [recipe for recipe in recipes if not recipe.exercises]
    blocks: list[Block] = [Text("With a recipe", "bold")]
    for recipe in own:
        blocks += [Text(recipe.name, "cyan", indent=2), Text(recipe.summary, indent=6)]
        blocks.append(Text(recipe.exercises, "dim", indent=6))
    blocks += [BLANK, Text("By their config", "bold")]
    blocks.append(Text(", ".join(recipe.name for recipe in plain), indent=2))
    blocks += [BLANK, Text(f"{count(len(recipes), 'model')}; any mmdet config does too, by name.")]
    return [*blocks, Command("Next", "porter models show NAME")]


def model_page(recipe: Recipe) -> list[Block]:
    """Everything about one model."""
    summary = f": {recipe.summary}" if recipe.summary else ""
    return [Text(f"{recipe.name}{summary}", "bold"), BLANK, Fields(_pairs(recipe), indent=2)]


def _pairs(recipe: Recipe) -> tuple[tuple[str, str], ...]:
    others = (f"{name}: {path}" for name, path in recipe.configs.items() if name != MAIN_SET)
    pairs = {
        "Config": recipe.configs[MAIN_SET],
        "Other pins": "\n".join(others),
        "Exercises": recipe.exercises,
        "mmcv's ops": ", ".join(recipe.ops),
        "Needs": recipe.needs,
        "Since": f"mmdet {recipe.since}" if recipe.since else "",
        "Smoke run": "\n".join(_smoke(recipe)),
        "File": recipe.path,
    }
    return tuple((name, value) for name, value in pairs.items() if value)


def _smoke(recipe: Recipe) -> list[str]:
    numbers = {
        "--steps": recipe.steps,
        "--batch-size": recipe.batch_size,
        "--image-size": recipe.image_size,
        "--lr": recipe.lr,
    }
    given = [f"{option} {value}" for option, value in numbers.items() if value is not None]
    return [*given, *(f"{key} = {value}" for key, value in recipe.options.items())]


def model_summary(recipe: Recipe) -> dict[str, Any]:
    """One entry of ``porter models list``.

    Keys: ``name``, ``summary``, ``exercises``, ``ops`` (of mmcv), ``needs`` (what a run needs
    that porter does not bring), ``since`` (of mmdet), ``configs`` (set of pins -> path).
    """
    return {
        "name": recipe.name,
        "summary": recipe.summary,
        "exercises": recipe.exercises,
        "ops": sorted(recipe.ops),
        "needs": recipe.needs,
        "since": recipe.since,
        "configs": dict(recipe.configs),
    }


def model_document(recipe: Recipe) -> dict[str, Any]:
    """``porter models show``.

    Keys: those of a summary, and of a smoke run ``options`` (dotted key -> value), ``steps``,
    ``batch_size``, ``image_size``, ``lr`` (null for porter's own).
    """
    return model_summary(recipe) | {
        "options": dict(recipe.options),
        "steps": recipe.steps,
        "batch_size": recipe.batch_size,
        "image_size": recipe.image_size,
        "lr": recipe.lr,
    }
