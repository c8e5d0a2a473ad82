"""The kinds of operation that a rule is made of: what each one says, not how it is found.

One dataclass a kind. A field's metadata says what the field holds, for the rule reader,
the JSON schema and the generated reference:

    doc      one sentence for rule authors
    role     ``pattern`` (binds ``$UPPER``), ``code`` (uses ``$UPPER``), ``text`` or ``name``
    key      the field's name in a rule file, where it differs (``from`` is a Python keyword)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from porter.model import Operation

Operator = Literal["or", "and"]


def _spec(doc: str, role: str = "name", key: str = "", *, default: Any = "") -> Any:
    metadata = {"doc": doc, "role": role, "key": key}
    return field(default=default, metadata=metadata)


def _required(doc: str, role: str = "name", key: str = "") -> Any:
    metadata = {"doc": doc, "role": role, "key": key, "required": True}
    return field(default="", metadata=metadata)


@dataclass(frozen=True)
class Rewrite(Operation):
    """Rewrite an expression or consecutive statements that match a pattern.

    What ``match`` and ``replace`` have in common stays as the author of the code laid it
    out; only the difference is edited.
    """

    kind: ClassVar[str] = "rewrite"
    match: str = _required("The code to find.", "pattern")
    replace: str = _required("What takes its place.", "code")
    where: Mapping[str, str] = field(
        default_factory=dict,
        metadata={
            "doc": "Metavariable -> regular expression that its code must match from end to end.",
            "role": "where",
            "key": "",
        },
    )

    def looks_for(self) -> str:
        return self.match


@dataclass(frozen=True)
class Rename(Operation):
    """Rename a qualified name wherever it is used, however it was imported."""

    kind: ClassVar[str] = "rename"
    old: str = _required("The qualified name to find, such as `torch.cuda.amp`.", key="from")
    new: str = _required("The qualified name that takes its place.", key="to")

    def looks_for(self) -> str:
        return self.old.rpartition(".")[2]


@dataclass(frozen=True)
class Insert(Operation):
    """Insert statements before or after the statement that matches a pattern.

    Exactly one of ``before``, ``after`` and ``at`` says where.
    """

    kind: ClassVar[str] = "insert"
    code: str = _required("The statements to insert.", "code")
    before: str = _spec("Insert above the statement that matches.", "pattern")
    after: str = _spec("Insert below the statement that matches.", "pattern")
    at: str = _spec("`start` (after the docstring and imports) or `end` of the body of `within`.")

    def looks_for(self) -> str:
        return self.before or self.after


@dataclass(frozen=True)
class AddBranch(Operation):
    """Add an ``elif`` to an if-chain."""

    kind: ClassVar[str] = "add-branch"
    chain: str = _required("A condition by which the if-chain is known.", "pattern")
    test: str = _required("The new branch's condition.", "code")
    body: str = _required("The new branch's statements.", "code")
    before: str = _spec(
        "The condition of the branch that the new one goes in front of; "
        "by default it comes last, before `else`.",
        "pattern",
    )

    def looks_for(self) -> str:
        return self.chain


@dataclass(frozen=True)
class AddOperand(Operation):
    """Add an operand to a condition, beside the operand that matches a pattern."""

    kind: ClassVar[str] = "add-operand"
    beside: str = _required("The operand to stand beside.", "pattern")
    operand: str = _required("The operand to add.", "code")
    operator: Operator = field(
        default="or",
        metadata={"doc": "`or` (default) or `and`.", "role": "operator", "key": ""},
    )

    def looks_for(self) -> str:
        return self.beside


@dataclass(frozen=True)
class AddEntry(Operation):
    """Add an entry to a list, tuple, set or dict, or an argument to a call, that is assigned."""

    kind: ClassVar[str] = "add-entry"
    to: str = _required("The name that the container is assigned to, such as `__all__`.")
    entry: str = _required("The entry as code; `key: value` for a dict.", "code")

    def looks_for(self) -> str:
        return self.to


@dataclass(frozen=True)
class AddImport(Operation):
    """Import names, in the statement that imports from the module already if there is one."""

    kind: ClassVar[str] = "add-import"
    module: str = _required("The module, as the file should spell it.", key="from")
    names: tuple[str, ...] = _spec(
        "The names to import; none for a plain `import`.", "names", default=()
    )


@dataclass(frozen=True)
class DeferImport(Operation):
    """Move a top-level import into the functions that use it."""

    kind: ClassVar[str] = "defer-import"
    name: str = _required("The name that the import binds, such as `torchvision`.")

    def looks_for(self) -> str:
        return self.name


@dataclass(frozen=True)
class ReplaceBody(Operation):
    """Replace the body of the function ``within``, keeping its signature and docstring.

    ``digest`` names the body that is replaced, so that an upstream fix cannot vanish
    silently.
    """

    kind: ClassVar[str] = "replace-body"
    digest: tuple[str, ...] = _spec(
        "First 16 hex digits of the sha256 of each body this replaces.", "names", default=()
    )
    body: str = _required("The new statements.", "code")


@dataclass(frozen=True)
class AddFile(Operation):
    """Add a file; that the tree has none of that path is checked.

    One under ``configs/``, ``tools/`` or ``demo/`` goes to where a release keeps those.
    """

    kind: ClassVar[str] = "add-file"
    path: str = _required("Path of the new file in the package's project.")
    content: str = _required("What it holds.", "text")


@dataclass(frozen=True)
class Substitute(Operation):
    """Replace literal text in a file that is not Python."""

    kind: ClassVar[str] = "substitute"
    find: str = _required("The text to find, to the letter.", "text")
    replace: str = _required("The text that takes its place.", "text")


KINDS: Mapping[str, type[Operation]] = {
    cls.kind: cls
    for cls in (
        Rewrite,
        Rename,
        Insert,
        AddBranch,
        AddOperand,
        AddEntry,
        AddImport,
        DeferImport,
        ReplaceBody,
        AddFile,
        Substitute,
    )
}
