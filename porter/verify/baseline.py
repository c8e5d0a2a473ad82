"""What upstream gets before it is a measure: as little as lets it run, and train the same model.

mmcv 1.x and mmdet 2.x do not run on today's Python and torch. What they need is what porter's
target ``cpu`` gets on their versions: the compatibility pack, and nothing of any chip. A model
that upstream does not have is a rule's plugin, and both sides get it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from porter.port.planned import planned
from porter.rulebook.catalog import get_target, load_rules
from porter.source import Cache, Tree

#: The target that stands for the host.
HOST = "cpu"


class EditedTree:
    """A tree with some files changed or added."""

    def __init__(self, tree: Tree, files: Mapping[str, bytes]) -> None:
        self.package, self.version = tree.package, tree.version
        self._tree, self._files = tree, files
        self._paths = tuple(sorted({*tree.paths(), *files}))

    def paths(self) -> Sequence[str]:
        """The paths of all files, sorted."""
        return self._paths

    def read(self, path: str) -> bytes:
        """The bytes of a file."""
        return self._files[path] if path in self._files else self._tree.read(path)

    def mode(self, path: str) -> int:
        """The permission bits of a file."""
        return 0o644 if path in self._files else self._tree.mode(path)


def runnable(trees: Mapping[str, Tree], cache: Cache, rules: Collection[str]) -> dict[str, Tree]:
    """Pristine trees with what they need to run on this machine's host, and to have a model.

    Args:
        rules: Ids of the rules that bring the model.

    Returns:
        The same trees where nothing is needed: all of mmdet 3's models are its own.

    Raises:
        PlanError: If the rules do not hold on the trees.
        UsageError: If a rule is not known.
    """
    legacy = "mmengine" not in trees
    if not (legacy or rules):
        return dict(trees)
    target = get_target(HOST)
    plan, files = planned(
        load_rules(),
        replace(target, ask=(*target.ask, *rules)),
        trees,
        cache,
        only=() if legacy else rules,
    )
    del plan
    return {
        name: EditedTree(tree, {f.path: f.ported for f in files if f.package == name})
        for name, tree in trees.items()
    }
