"""A rule file, checked: TOML in, ``Rule`` out. What can be wrong in it is found here."""

from __future__ import annotations

import hashlib
import re
from dataclasses import fields
from pathlib import Path, PurePosixPath
from typing import Any

from porter.errors import RuleFileError
from porter.model import Case, Condition, Expect, Operation, Rule
from porter.rulebook.operations import KINDS, AddFile, Insert
from porter.rulebook.tomlfile import Table, read_toml
from porter.rulebook.variables import TARGET_VARIABLES, metavariables, target_names

#: Fields that every operation has; their keys are read alike for all kinds.
COMMON_FIELDS = {field.name for field in fields(Operation)}

_EXPECT = re.compile(r"(\d+)\.\.(\d*)")
_BODY_SUFFIX = "_file"


def read_rule(path: Path, package: str) -> Rule:
    """The rule that a file holds.

    Args:
        path: The TOML file; its name without the ending is the rule's name.
        package: The package that the rule is about, which is the folder's name.

    Raises:
        RuleFileError: If the file is malformed or contradicts itself.
    """
    return _RuleReader(path, package).read()


class _RuleReader:
    """Reads one file; keeps the digest of all that it read."""

    def __init__(self, path: Path, package: str) -> None:
        self.path, self.package = path, package
        data, values = read_toml(path, RuleFileError)
        self.table = Table(values, path, "", RuleFileError)
        self.digest = hashlib.sha256(data.replace(b"\r\n", b"\n"))

    def read(self) -> Rule:
        table = self.table
        rule_id = self._id()
        why = table.checked("why", lambda text: len(text) >= 20, "a reason in a sentence or more")
        source = table.text("source")
        packages = table.texts("packages", [self.package])
        condition = self._condition()
        requires = table.specifiers("requires")
        native = table.specifiers("native")
        files = table.texts("files", [])
        operations = tuple(self._operation(edit) for edit in table.tables("edit"))
        cases = tuple(self._case(case) for case in table.tables("case"))
        overrides, needs = table.texts("overrides", []), table.texts("needs", [])
        optional, where_present = table.flag("optional"), table.flag("where_present")
        table.close()
        if not operations:
            raise table.fail("a rule needs at least one [[edit]]")
        self._check_files(files, operations)
        self._check_cases(cases, operations)
        return Rule(
            rule_id, why.strip(), source, packages, condition, requires, native, files,
            operations, cases, overrides, needs, optional, where_present,
            str(self.path), self.digest.hexdigest(),
        )  # fmt: skip

    def _id(self) -> str:
        rule_id = self.table.text("id")
        expected = f"{self.package}/{self.path.stem}"
        if rule_id != expected:
            raise self.table.fail(f"must be {expected!r} after the file's place", "id")
        return rule_id

    def _condition(self) -> Condition:
        """What ``when`` says; a rule without it is every target's."""
        if "when" not in self.table:
            return Condition()
        table = self.table.table("when")
        single = table.text("trait", "")
        condition = Condition(
            (*([single] if single else []), *table.texts("all", [])),
            table.texts("any", []),
            table.texts("none", []),
        )
        table.close()
        if not condition.traits:
            raise table.fail(
                "names no trait",
                hint='Write it like { trait = "own-device" }, or leave it out if every target '
                "needs the rule.",
            )
        return condition

    def _operation(self, table: Table) -> Operation:
        kind = table.text("kind")
        if kind not in KINDS:
            raise table.fail(f"unknown kind {kind!r}; known: {', '.join(KINDS)}", "kind")
        cls = KINDS[kind]
        values: dict[str, Any] = {
            "within": table.text("within", ""),
            "expect": self._expect(table),
            "files": table.texts("files", []),
            "requires": table.specifiers("requires"),
        }
        for field in fields(cls):
            if field.name not in COMMON_FIELDS:
                values[field.name] = self._field(table, field)
        table.close()
        operation = cls(**values)
        _check_names(operation, table)
        return operation

    def _expect(self, table: Table) -> Expect:
        value = table.raw("expect", 1)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return Expect(value, value)
        found = _EXPECT.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            raise table.fail(f'must be a count or a range like "2..4", not {value!r}', "expect")
        return Expect(int(found[1]), int(found[2]) if found[2] else None)

    def _field(self, table: Table, field: Any) -> Any:
        key, role = field.metadata["key"] or field.name, field.metadata["role"]
        if role == "names":
            return table.texts(key, field.default)
        if role == "where":
            return self._where(table, key)
        if role == "operator":
            return table.checked(key, ("or", "and").__contains__, "`or` or `and`", field.default)
        if key + _BODY_SUFFIX in table:
            return self._sibling(table, key + _BODY_SUFFIX)
        value = table.text(key, None if field.metadata.get("required") else field.default)
        return _dedent(value) if role in ("pattern", "code", "text") else value

    def _sibling(self, table: Table, key: str) -> str:
        """A longer body that lives beside the rule, where linters can read it."""
        path = self.path.parent / table.text(key)
        try:
            data = path.read_bytes()
        except OSError as problem:
            raise table.fail(f"{path}: cannot be read: {problem.strerror}", key) from problem
        self.digest.update(f"\0{table.key_path(key)}\0".encode())
        self.digest.update(data)
        return data.decode("utf-8")

    def _where(self, table: Table, key: str) -> dict[str, str]:
        patterns = table.mapping(key)
        for name, pattern in patterns.items():
            try:
                re.compile(pattern)
            except re.error as problem:
                message = f"not a regular expression: {problem}"
                raise table.fail(message, f"{key}.{name}") from problem
        return patterns

    def _case(self, table: Table) -> Case:
        name = table.text("name")
        unchanged = _dedent(table.text("unchanged", "")) if "unchanged" in table else None
        before = unchanged if unchanged is not None else _dedent(table.text("before"))
        after = None if unchanged is not None else _dedent(table.text("after"))
        case = Case(
            name, before, after,
            table.text("file", ""), table.text("target", ""), table.text("version", ""),
        )  # fmt: skip
        table.close()
        if before == after:
            raise table.fail("before and after are equal", hint="Say `unchanged` instead.")
        return case

    def _check_files(self, files: tuple[str, ...], operations: tuple[Operation, ...]) -> None:
        for number, operation in enumerate(operations, start=1):
            if not (files or operation.files or isinstance(operation, AddFile)):
                raise self.table.fail("names no files", f"edit[{number}]")
        for name in (*files, *(name for operation in operations for name in operation.files)):
            if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
                raise self.table.fail(f"{name!r} leaves the package", "files")

    def _check_cases(self, cases: tuple[Case, ...], operations: tuple[Operation, ...]) -> None:
        if all(isinstance(operation, AddFile) for operation in operations):
            return
        if not any(case.after is not None for case in cases):
            raise self.table.fail("a rule needs at least one [[case]] with a before and an after")


def _dedent(text: str) -> str:
    """Text without the line break that ends a TOML multi-line string's last line."""
    return text.rstrip("\n") if text.count("\n") <= 1 else text


def _check_names(operation: Operation, table: Table) -> None:
    """Every ``$lower`` is the target's, every ``$UPPER`` is bound by a pattern."""
    bound: set[str] = set()
    for field in fields(operation):
        if field.metadata.get("role") == "pattern":
            bound |= metavariables(getattr(operation, field.name))
    for field in fields(operation):
        role = field.metadata.get("role")
        key = field.metadata.get("key") or field.name
        if role in ("pattern", "code", "name"):
            _check_target_names(getattr(operation, field.name), table, key)
        if role == "code":
            _check_bound(getattr(operation, field.name), bound, table, key)
        if role == "where":
            _check_bound(
                "".join(f"${n}" for n in getattr(operation, field.name)), bound, table, key
            )
    if (
        isinstance(operation, Insert)
        and sum(map(bool, (operation.before, operation.after, operation.at))) != 1
    ):
        raise table.fail("needs exactly one of `before`, `after` and `at`")


def _check_target_names(code: str, table: Table, key: str) -> None:
    for name in sorted(target_names(code) - TARGET_VARIABLES.keys()):
        raise table.fail(
            f"${name} is nothing a target has; known: {', '.join(TARGET_VARIABLES)}", key
        )


def _check_bound(code: str, bound: set[str], table: Table, key: str) -> None:
    for name in sorted(metavariables(code) - bound):
        raise table.fail(f"${name} is not bound by the pattern", key)
