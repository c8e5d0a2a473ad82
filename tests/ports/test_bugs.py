"""The catalogued bugs of the hand ports to NPU that are nobody's in particular: not reproduced.

Those of one function are held where that function's rule is tested.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import tomllib

from porter.model import Plan, Target
from porter.plan import Tree, make_plan
from tests.helpers import all_rules, all_targets
from tests.ports.bugs import FINDERS, added, barriers, methods, parsed
from tests.ports.test_real_pins import ported, tree

RULES = Path(__file__).parents[2] / "rules"
LEGACY = {"mmcv": "1.2.7", "mmdet": "2.10.0"}
LATER = {**LEGACY, "mmdet": "2.11.0"}
MODERN = {"mmengine": "0.10.5", "mmcv": "2.1.0", "mmdet": "3.3.0"}


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("a version compared as text", "if torch.__version__ >= '1.8':\n    import torch_npu"),
        ("a bare except", "try:\n    f()\nexcept:\n    g()"),
        ("a fixed place of the first rank", "os.environ['MASTER_PORT'] = '29688'"),
        ("a fixed place of the first rank", "rank + int(os.environ.get('NPUID', 0))"),
        ("a fixed number of classes", "one_hot(labels, -1, 80, 1.0, 0.0)"),
        ("a condition that is never true", "if self.device_ids and False:\n    pass"),
        ("half precision forced", "target = one_hot.half()"),
        ("apex demanded", "from apex import amp"),
    ],
)
def test_each_mistake_is_known_where_it_is_added(name: str, code: str) -> None:
    assert [found.partition(":")[0] for found in added(b"", code.encode())] == [name]
    assert list(added(code.encode(), code.encode())) == [], "upstream's own is left alone"
    assert len(list(added(code.encode(), f"{code}\n{code}".encode()))) == 1


@pytest.mark.parametrize(
    "code",
    [
        "if parse(torch.__version__) >= parse('1.8'):\n    pass",
        "if digit_version(TORCH_VERSION) >= (1, 8):\n    pass",
        "try:\n    from apex import amp\nexcept ImportError:\n    amp = None",
        "os.environ['MASTER_PORT'] = str(port)",
        "bins = x.view(-1, num_classes)",
        "head = dict(type='GFocalHead', num_classes=80)",
        "def f():\n    import apex",
    ],
)
def test_what_only_looks_like_one_is_none(code: str) -> None:
    assert list(added(b"", code.encode())) == []


def code_in_rules() -> Iterator[tuple[str, str]]:
    """Every piece of Python that some rule puts into a tree, on whatever target and version."""
    for path in sorted(RULES.rglob("*.py")):
        yield path.relative_to(RULES).as_posix(), path.read_text(encoding="utf-8")
    for path in sorted(RULES.rglob("*.toml")):
        values = tomllib.loads(path.read_text(encoding="utf-8"))
        for edit in values.get("edit", []):
            for key, text in edit.items():
                if key not in ("match", "path", "within", "kind") and isinstance(text, str):
                    yield f"{path.relative_to(RULES).as_posix()}, {key}", text


def test_no_rule_brings_one_whatever_it_is_made_on() -> None:
    found = []
    for where, text in code_in_rules():
        code = text.replace("$$$", "rest_").replace("$", "name_")
        try:
            compile(code, where, "exec", ast.PyCF_ONLY_AST)
        except SyntaxError:
            continue  # an expression's part, or no Python: the ported trees are looked at below
        found += [f"{where}: {problem}" for problem in added(b"", code.encode())]
    assert found == []


@cache
def port(name: str, versions: tuple[tuple[str, str], ...], root: Path) -> tuple[Plan, Any, Any]:
    """A plan, and the trees before and after it."""
    target: Target = all_targets()[name]
    trees: dict[str, Tree] = {package: tree(package, v, root) for package, v in versions}
    plan = make_plan(all_rules(), target, trees)
    return plan, trees, ported(plan, trees)


@pytest.mark.upstream
@pytest.mark.parametrize(
    "versions", [LEGACY, LATER, MODERN], ids=lambda versions: f"mmdet {versions['mmdet']}"
)
class TestOnNpu:
    """What the NPU's port makes of the real releases."""

    def changed(self, versions: dict[str, str], root: Path) -> Iterator[tuple[str, bytes, bytes]]:
        plan, before, after = port("npu", tuple(sorted(versions.items())), root)
        for package, path in sorted({(edit.package, edit.path) for edit in plan.edits}):
            if path.endswith(".py"):
                yield path, before[package].read(path), after[package].read(path)
        for new in plan.new_files:
            if new.path.endswith(".py"):
                yield new.path, b"", new.content

    def test_none_is_added(self, versions: dict[str, str], upstream_cache: Path) -> None:
        found = [
            f"{path}: {problem}"
            for path, before, after in self.changed(versions, upstream_cache)
            for problem in added(before, after)
        ]
        assert found == []

    def test_backbones_freeze_what_they_are_told_to(
        self, versions: dict[str, str], upstream_cache: Path
    ) -> None:
        """``norm_eval`` acts in ``train``, which no port touches."""
        _, before, after = port("npu", tuple(sorted(versions.items())), upstream_cache)
        paths = [p for p in before["mmdet"].paths() if p.startswith("mmdet/models/backbones/")]
        kept = {path: methods(parsed(before["mmdet"].read(path)), "train") for path in paths}
        freezing = [
            text for found in kept.values() for text in found.values() if "norm_eval" in text
        ]
        assert len(freezing) >= 3
        for path in paths:
            assert methods(parsed(after["mmdet"].read(path)), "train") == kept[path], path

    def test_ranks_wait_where_they_waited(
        self, versions: dict[str, str], upstream_cache: Path
    ) -> None:
        """A barrier is what keeps a rank from reading half a checkpoint."""
        for path, before, after in self.changed(versions, upstream_cache):
            assert barriers(parsed(after)) >= barriers(parsed(before)), path


def test_every_mistake_has_an_example() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    assert all(f'("{name}", ' in source for name in FINDERS)
