"""Real ported trees, and verifications of them that are as small as they can be.

What does not differ from one verification to the next (what the Python is, upstream's trees) is
found out once a process. Upstream's runs are in the cache that all tests share, so that each is
trained once for all that are held against it.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from porter.apply import apply
from porter.model import Rule, Target
from porter.port.request import Request as Port
from porter.source import Cache
from porter.verify import run
from porter.verify.launch.interpreter import Interpreter, probe
from porter.verify.launch.process import Ranks
from porter.verify.model import Check, Verification
from porter.verify.request import Request
from porter.verify.trees import Folder, Trees, open_folder, unvouched, upstream_trees
from porter.verify.watch import Silent, Watcher
from tests.helpers import all_rules, all_targets, rule_from

PACKAGES = ("mmcv", "mmdet", "mmengine")
#: Enough for a difference to show, and for a run to be saved and resumed.
STEPS, IMAGE = 2, 64


@dataclass(frozen=True)
class World:
    """Where trees are made and verified.

    Attributes:
        cache: With the archives, the operators and upstream's runs.
        root: Where trees are made; of this test session.
        python: The interpreter that trains.
    """

    cache: Cache
    root: Path
    python: Path

    def ported(self, target: str = "sdaa") -> Path:
        """All packages ported, for all tests to read; one process makes it."""
        name = "ported" if target == "sdaa" else f"ported-{target}"
        return self._once(name, lambda folder: self._apply(folder, PACKAGES, target=target))

    def legacy(self) -> Path:
        """mmcv 1.2.7 and mmdet 2.10.0 ported to NPU."""
        packages = tuple(all_targets()["npu"].pins["legacy"])

        def make(folder: Path) -> None:
            self._apply(folder, packages, target="npu", pin_set="legacy")

        return self._once("legacy", make)

    def legacy_unported(self) -> Path:
        """The same as released, made to run on the host and no more."""

        def make(folder: Path) -> None:
            upstream = upstream_trees(open_folder(self.legacy()), self.cache)
            for package, root in upstream.roots.items():
                shutil.copytree(root, folder / package, copy_function=os.link)

        return self._once("legacy-unported", make)

    def unported(self) -> Path:
        """All packages as released."""

        def make(folder: Path) -> None:
            upstream = upstream_trees(open_folder(self.ported()), self.cache)
            for package, root in upstream.roots.items():
                shutil.copytree(root, folder / package, copy_function=os.link)

        return self._once("unported", make)

    def without(self, *rules: str) -> Path:
        """The packages ported without some rules; what none of them touches is shared."""
        words = [rule.replace("/", "-") for rule in sorted(rules)]
        name = "without-" + "+".join(words)[:150]
        packages = sorted({rule.partition("/")[0] for rule in rules})

        def make(folder: Path) -> None:
            self._apply(folder, packages, without=rules)
            self._link(folder, [name for name in PACKAGES if name not in packages])

        return self._once(name, make)

    def with_rule(self, name: str, text: str, folder: Path) -> Path:
        """The packages ported with one more rule of mmdet, which TOML spells.

        Args:
            folder: Where the rule's file may be written.
        """
        rule = rule_from(text, folder, name, "mmdet")

        def make(made: Path) -> None:
            self._apply(made, ["mmdet"], more=[rule])
            self._link(made, ["mmcv", "mmengine"])

        return self._once(f"with-{name}", make)

    def copy(
        self, name: str, edits: Mapping[str, Callable[[str], str]], of: Path | None = None
    ) -> Path:
        """The ported packages with some files changed: path -> what makes of its text another.

        Args:
            of: Another folder than that of ``ported``.
        """

        def make(folder: Path) -> None:
            if of is None:
                self._link(folder, PACKAGES)
            else:
                packages = [part for part in of.iterdir() if not part.name.startswith(".")]
                for part in packages:
                    shutil.copytree(part, folder / part.name, copy_function=os.link)
            for path, edit in edits.items():
                change(folder / path, edit)

        return self._once(name, make)

    def _once(self, name: str, make: Callable[[Path], None]) -> Path:
        folder = self.root / name
        with self.cache.lock(f"test-{self.root.name}-{len(name)}-{name[:60]}"):
            if not folder.is_dir():
                part = self.root / f"{name}.part"
                shutil.rmtree(part, ignore_errors=True)
                make(part)
                part.rename(folder)
        return folder

    def _link(self, folder: Path, packages: Iterable[str]) -> None:
        """Hard links of the ported packages; whoever edits one puts a new file in its place."""
        for package in packages:
            shutil.copytree(self.ported() / package, folder / package, copy_function=os.link)

    def _apply(
        self,
        into: Path,
        packages: Sequence[str],
        without: Sequence[str] = (),
        more: Sequence[Rule] = (),
        target: str = "sdaa",
        pin_set: str = "default",
    ) -> None:
        apply(
            Port(
                target=all_targets()[target],
                rules=(*porters_rules(), *more),
                into=into,
                pins={
                    n: v for n, v in all_targets()[target].pins[pin_set].items() if n in packages
                },
                without=tuple(without),
                packages=tuple(packages),
            ),
            self.cache,
        )

    def verify(
        self, into: Path, model: str = "reppoints", *, watch: Watcher | None = None, **asked: Any
    ) -> Verification:
        """Verify a folder on the simulated SDAA.

        Args:
            asked: Fields of ``Request``; ``nproc`` stands for its ranks.
        """
        return run.verify(self.request(into, model, **asked), self.cache, watch or Silent())

    def request(
        self, into: Path, model: str = "reppoints", *, nproc: int = 1, **asked: Any
    ) -> Request:
        """What ``verify`` asks for: two steps of small images."""
        usual = {"target": sdaa(), "steps": STEPS, "image_size": IMAGE}
        return Request(
            model=model,
            into=into,
            targets=all_targets(),
            python=self.python,
            ranks=Ranks(nproc),
            **{**usual, **asked},
        )


def change(file: Path, edit: Callable[[str], str]) -> None:
    """Put an edited text in a file's place, which may be a hard link."""
    before = file.read_text(encoding="utf-8")
    after = edit(before)
    assert after != before, f"nothing to edit in {file}"
    file.unlink()
    file.write_text(after, encoding="utf-8")


def replaced(old: str, new: str) -> Callable[[str], str]:
    """An edit: one text for another, everywhere."""
    return lambda text: text.replace(old, new)


@cache
def sdaa() -> Target:
    """Porter's own target."""
    return all_targets()["sdaa"]


@cache
def porters_rules() -> tuple[Rule, ...]:
    """Porter's own rules."""
    return tuple(all_rules())


def dependents(rules: Iterable[str]) -> set[str]:
    """The rules and all that need one of them, and so cannot be made without."""
    found = set(rules)
    while more := {r.id for r in porters_rules() if found & set(r.needs)} - found:
        found |= more
    return found


def training_python() -> Path:
    """The Python that the tests train with: this one, or ``$PORTER_TEST_PYTHON``."""
    return Path(os.environ.get("PORTER_TEST_PYTHON") or sys.executable)


def once_a_process(monkeypatch: Any) -> None:
    """Have verifications find out once what the same files and the same Python tell each time."""

    @cache
    def known_python(python: Path, plugin: str, device: str) -> Interpreter:
        return probe(python, plugin=plugin, device=device)

    known_trees: dict[tuple[Path, ...], Trees] = {}

    def upstream(folder: Folder, cache: Cache, **options: Any) -> Trees:
        if unvouched(folder):
            return upstream_trees(folder, cache, **options)  # only a release never changes
        key = (
            cache.root,
            Path(str(options.get("rules"))),
            *(Path(f"{n}-{v}") for n, v in sorted(folder.versions.items())),
        )
        if key not in known_trees:
            known_trees[key] = upstream_trees(folder, cache, **options)
        return known_trees[key]

    monkeypatch.setattr(
        run, "probe", lambda python, *, plugin="", device="": known_python(python, plugin, device)
    )
    monkeypatch.setattr(run, "upstream_trees", upstream)


def failed(verification: Verification) -> dict[str, Check]:
    """The checks that failed, by name."""
    return {c.name: c for c in verification.verdict.checks if c.outcome == "fail"}
