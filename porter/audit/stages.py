"""When a training run reaches a place: told by its file, and by the functions it is in."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from porter.audit.model import STAGES

_TOOLS = frozenset(
    (
        *("tools", "demo", "demos", "scripts", "tests", "test", "testing", "docs", "docker"),
        *("projects", ".dev_scripts", "requirements", "examples", "build", "csrc"),
    )
)
_EVAL_FOLDERS = {"evaluation", "metrics", "apis", "visualization", "analysis", "inference"}
_BUILD_FOLDERS = {"configs", "config", "registry", "_strategy", "fileio", "datasets", "data"}
_EVAL = re.compile(
    r"predict|inference|test|eval|val_|_val|postprocess|get_bboxes|get_results|visual|show|simple_test|aug_test"
)
_BUILD = re.compile(
    r"^(__init__|__new__|build|init_|_init|setup|from_cfg|parse|register|_build|get_cfg)"
)
_TRAIN = re.compile(
    r"forward|loss|train|step|backward|before_|after_|targets?|assign|sample|collect|reduce"
)
ORDER = {stage: number for number, stage in enumerate(STAGES)}


def stage_of(path: str, functions: list[str]) -> str:
    """The stage at which a training run reaches a place.

    Args:
        path: Relative to the package's project.
        functions: Names of the functions around it, innermost first.
    """
    pure = PurePosixPath(path)
    folders = set(pure.parts[:-1])
    if ".mim" in folders:
        folders -= {"data"}
    if folders & _TOOLS or pure.suffix not in (".py", ".yml", ".yaml", ".json", ".toml"):
        return "tools"
    if pure.name in ("setup.py", "conftest.py"):
        return "tools"
    if "configs" in folders or pure.suffix != ".py":
        return "build"
    if not functions:
        return "eval" if folders & _EVAL_FOLDERS else "import"
    outer = functions[::-1]
    if any(_EVAL.search(name) and not name.startswith("__") for name in outer):
        return "eval"
    if folders & _EVAL_FOLDERS or "benchmark" in pure.stem:
        return "eval"
    if any(_BUILD.search(name) for name in outer) or folders & _BUILD_FOLDERS:
        return "build"
    return "train"
