"""Reading a TOML table key by key, with errors that name the file and the key path."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from porter.errors import PorterError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def read_toml(path: Path, error: type[PorterError]) -> tuple[bytes, dict[str, Any]]:
    """The bytes of a file and the table they spell.

    Raises:
        PorterError: Of the class ``error``, if the file cannot be read or parsed.
    """
    try:
        data = path.read_bytes()
        return data, tomllib.loads(data.decode("utf-8"))
    except OSError as problem:
        raise error(f"{path}: cannot be read: {problem.strerror}") from problem
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise error(f"{path}: not valid TOML: {problem}") from problem


class Table:
    """A TOML table whose keys are taken one by one; what is left over is an error.

    Args:
        values: The table.
        path: The file, for messages.
        where: The key path of the table in the file, for messages.
        error: The class of error to raise.
    """

    def __init__(self, values: Any, path: Path, where: str, error: type[PorterError]) -> None:
        self._path, self._where, self._error = path, where, error
        if not isinstance(values, dict):
            raise self.fail("must be a table")
        self._values = dict(values)
        self._known: list[str] = []

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def key_path(self, key: str = "") -> str:
        """The full name of a key, such as ``edit[2].match``."""
        return ".".join(part for part in (self._where, key) if part)

    def fail(self, message: str, key: str = "", *, hint: str = "") -> PorterError:
        """An error that names the file and the key."""
        name = self.key_path(key)
        return self._error(f"{self._path}: {name + ': ' if name else ''}{message}", hint=hint)

    def _take(self, key: str, kind: type, word: str, default: Any) -> Any:
        self._known.append(key)
        if key not in self._values:
            if default is None:
                raise self.fail(f"the key `{key}` is missing")
            return default
        value = self._values.pop(key)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self.fail(f"must be {word}, not {value!r}", key)
        return value

    def text(self, key: str, default: str | None = None) -> str:
        """A string."""
        return str(self._take(key, str, "a string", default))

    def flag(self, key: str, default: bool = False) -> bool:
        """A boolean."""
        return bool(self._take(key, bool, "true or false", default))

    def texts(self, key: str, default: Iterable[str] | None = None) -> tuple[str, ...]:
        """A list of strings."""
        value = self._take(key, list, "a list of strings", None if default is None else [*default])
        if not all(isinstance(item, str) for item in value):
            raise self.fail("must be a list of strings", key)
        return tuple(value)

    def raw(self, key: str, default: Any) -> Any:
        """A value of any type."""
        return self._take(key, object, "a value", default)

    def table(self, key: str, *, required: bool = False) -> Table:
        """A table; an empty one where the key is absent and not required."""
        value = self._take(key, dict, "a table", None if required else {})
        return Table(value, self._path, self.key_path(key), self._error)

    def tables(self, key: str) -> list[Table]:
        """An array of tables, ``[[key]]``."""
        value = self._take(key, list, f"an array of tables, [[{key}]]", [])
        return [
            Table(item, self._path, f"{self.key_path(key)}[{number}]", self._error)
            for number, item in enumerate(value, start=1)
        ]

    def mapping(self, key: str) -> dict[str, str]:
        """A table of strings."""
        return self.table(key).strings()

    def strings(self) -> dict[str, str]:
        """This table, all of whose values are strings."""
        return {key: self.text(key) for key in list(self._values)}

    def left(self) -> list[str]:
        """The keys that have not been taken."""
        return list(self._values)

    def specifiers(self, key: str) -> dict[str, SpecifierSet]:
        """A table of version specifiers, such as ``{ mmcv = ">=2.0,<2.3" }``."""
        table = self.table(key)
        return {name: table.specifier(name) for name in table.left()}

    def specifier(self, key: str) -> SpecifierSet:
        """A version specifier as the ``packaging`` library reads them."""
        text = self.text(key)
        try:
            return SpecifierSet(text)
        except InvalidSpecifier as problem:
            raise self.fail(
                f"{text!r} is not a version specifier", key, hint='Write it like ">=2.0,<2.3".'
            ) from problem

    def checked(
        self, key: str, check: Callable[[str], bool], word: str, default: str | None = None
    ) -> str:
        """A string that passes a check; ``word`` says in messages what it must be."""
        value = self.text(key, default)
        if not check(value):
            raise self.fail(f"must be {word}, not {value!r}", key)
        return value

    def close(self) -> None:
        """Refuse the keys that nobody took."""
        for key in self._values:
            near = get_close_matches(key, self._known, n=1)
            hint = f"Did you mean `{near[0]}`?" if near else f"Known: {', '.join(self._known)}."
            raise self.fail(f"unknown key `{key}`", hint=hint)
