"""What a folder with ported packages stands for: its chip, and which configs fit it."""

from __future__ import annotations

from collections.abc import Mapping

from porter.errors import UsageError
from porter.model import Target
from porter.verify.trees import Folder, is_first_generation


def find_target(asked: Target | None, targets: Mapping[str, Target], folder: Folder) -> Target:
    """The target that was asked for, or the one that the folder was ported to.

    Raises:
        UsageError: If neither is known.
    """
    if asked is not None:
        return asked
    if folder.manifest is None:
        raise UsageError(
            f"{folder.into} was not ported by porter, so nothing tells for which chip it is",
            hint="Name the chip with --target.",
        )
    if folder.manifest.target not in targets:
        raise UsageError(
            f"{folder.into} was ported to {folder.manifest.target!r}, a target that is not known",
            hint="Name the folder with its target file with --targets.",
        )
    return targets[folder.manifest.target]


#: The rule that brings the canvas of one size, and where each generation of mmdet gets it.
CANVAS = "mmdet/static-canvas"
CANVAS_FILES = (
    "mmdet/datasets/pipelines/static_canvas.py",
    "mmdet/models/data_preprocessors/static_canvas.py",
)


def knows_canvas(folder: Folder) -> bool:
    """Whether the folder's mmdet can put images on a canvas of one size."""
    root = folder.packages["mmdet"].root
    return any((root / path).is_file() for path in CANVAS_FILES)


def pin_set_of(folder: Folder) -> str:
    """Which of a recipe's configs fits: mmdet 2 has other ones than mmdet 3."""
    return "legacy" if is_first_generation(folder.packages) else "default"
