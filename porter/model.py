"""The words of porter as data: frozen dataclasses, no input or output.

Everything between the files a user writes (rules, targets) and the files porter
writes (trees, manifests) is made of these. Paths are POSIX paths relative to a
package's project root, the folder that holds ``setup.py``, so the same path names
a file in a source archive, in a vendor folder and in ``site-packages``. Spans are
byte offsets into the pristine file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from packaging.specifiers import SpecifierSet

#: What a folder of the user's own is called where a package is named. Its rules are generic: one
#: that finds nothing to edit there is skipped, and is no error.
PROJECT = "project"

Family = Literal["plugin", "cuda-compatible", "cpu"]


def specifier_text(wanted: SpecifierSet) -> str:
    """A version range as people write it, the lower bound first: ``>=2.0,<2.3``."""
    return ",".join(sorted(map(str, wanted), key=lambda part: (part[0] == "<", part)))


@dataclass(frozen=True)
class Pin:
    """One upstream release, and how to know it when it arrives.

    Attributes:
        sha256: Digest of the source archive, hex; empty for a local folder.
        tag: The git tag of the release.
        commit: The commit that the tag names, 40 hex digits; empty if not recorded.
    """

    package: str
    version: str
    sha256: str = ""
    tag: str = ""
    commit: str = ""

    def __str__(self) -> str:
        return f"{self.package} {self.version}"


@dataclass(frozen=True)
class Expect:
    """How many places an operation must match, over all its files."""

    low: int = 1
    high: int | None = 1

    def holds(self, count: int) -> bool:
        """Whether ``count`` matches are as many as the rule's author expects."""
        return count >= self.low and (self.high is None or count <= self.high)

    def __str__(self) -> str:
        if self.high is None:
            return f"at least {self.low}"
        return str(self.low) if self.low == self.high else f"{self.low} to {self.high}"


@dataclass(frozen=True)
class Operation:
    """What every kind of operation has; the kinds are in ``porter.rulebook.operations``.

    Attributes:
        within: Qualified name (or glob over qualified names) of the function or class
            to stay in; ``<module>`` for module level only; empty for the whole file.
        files: Paths or globs that override the rule's own.
        requires: Package versions in which this one operation is made.
    """

    within: str = ""
    expect: Expect = field(default_factory=Expect)
    files: tuple[str, ...] = ()
    requires: Mapping[str, SpecifierSet] = field(default_factory=dict)

    def looks_for(self) -> str:
        """The code that a place must have; empty if that cannot be told."""
        return ""


@dataclass(frozen=True)
class Case:
    """A before and an after that test a rule; ``after`` is None for "must not change".

    Attributes:
        file: The path that the case pretends to be; the rule's first file by default.
        target: The target whose values fill the rule's ``$lower`` names.
        version: The package version the case pretends to be, or empty for any that fits.
    """

    name: str
    before: str
    after: str | None = None
    file: str = ""
    target: str = ""
    version: str = ""


@dataclass(frozen=True)
class Condition:
    """When a rule is needed. All of ``all``, at least one of ``any``, none of ``none``.

    Without any trait a rule is needed on every target: its versions alone decide.
    """

    all: tuple[str, ...] = ()
    any: tuple[str, ...] = ()
    none: tuple[str, ...] = ()

    @property
    def traits(self) -> tuple[str, ...]:
        """Every trait that the condition names."""
        return self.all + self.any + self.none


@dataclass(frozen=True)
class Rule:
    """One reason to edit, the operations that carry it out, the cases that test it.

    Attributes:
        id: ``<package>/<words>``, unique.
        packages: The packages whose trees the rule edits.
        requires: Package name -> versions for which the rule is written.
        native: Device type -> versions of the rule's package in which upstream itself
            does for that device what the rule does; the rule is skipped there.
        optional: Only made when asked for, with ``--with-rule`` or by the target.
        overrides: Ids of rules whose edits this one may enclose.
        needs: Ids of rules whose outcome this one's code uses.
        where_present: Where a tree has none of its files, the rule is skipped: archives lack
            scripts that checkouts have, installed packages lack ``setup.py``.
        path: The file it was read from, for messages.
        digest: sha256 over the rule's meaning: its file, and the bodies it refers to.
    """

    id: str
    why: str
    source: str
    packages: tuple[str, ...]
    when: Condition
    requires: Mapping[str, SpecifierSet]
    native: Mapping[str, SpecifierSet]
    files: tuple[str, ...]
    operations: tuple[Operation, ...]
    cases: tuple[Case, ...]
    overrides: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    optional: bool = False
    where_present: bool = False
    path: str = ""
    digest: str = ""


@dataclass(frozen=True)
class Target:
    """A chip as PyTorch sees it.

    Attributes:
        device: The ``torch.device`` type: ``sdaa``, ``npu``, ``cuda``, ...
        plugin: The module whose import makes the device known; empty for none.
        backend: The ``torch.distributed`` backend's name.
        amp_dtypes: The dtypes autocast supports there, as ``torch`` spells them.
        traits: Trait -> its reason and source.
        pins: Set name -> package -> version; ``default`` is always there.
        simulate: The ``[simulate]`` table as written; the simulated chip reads it.
        variables: The ``$lower`` names a rule may use, and their values.
        ask: Ids of the optional rules that are made for it without being asked for.
        digest: sha256 of the target file.
    """

    name: str
    vendor: str
    chip: str
    summary: str
    documentation: str
    device: str
    plugin: str
    backend: str
    visible_devices: str
    amp_dtypes: tuple[str, ...]
    family: Family
    traits: Mapping[str, str]
    pins: Mapping[str, Mapping[str, str]]
    simulate: Mapping[str, object]
    variables: Mapping[str, str]
    ask: tuple[str, ...] = ()
    path: str = ""
    digest: str = ""


@dataclass(frozen=True)
class Edit:
    """Bytes ``[start, end)`` of one pristine file replaced by ``new``, on behalf of a rule.

    ``start == end`` inserts. ``operation`` is the index of the rule's operation.
    """

    package: str
    path: str
    start: int
    end: int
    new: bytes
    rule: str
    operation: int = 0


@dataclass(frozen=True)
class NewFile:
    """A file that a rule adds; the pristine tree has none of that path."""

    package: str
    path: str
    content: bytes
    rule: str


@dataclass(frozen=True)
class Skip:
    """A rule that was not made on a package, and why."""

    rule: str
    package: str
    reason: str


@dataclass(frozen=True)
class Plan:
    """What a target's rules make of pristine trees; pure data, ordered, comparable.

    Attributes:
        versions: Package -> version that was planned for.
        rule_digests: Rule id -> digest, of the rules that edit something.
    """

    target: str
    target_digest: str
    versions: Mapping[str, str]
    edits: tuple[Edit, ...]
    new_files: tuple[NewFile, ...]
    skips: tuple[Skip, ...]
    rule_digests: Mapping[str, str]
