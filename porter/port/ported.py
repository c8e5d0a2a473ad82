"""What a plan makes of pristine trees: the bytes of each file it touches."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby

from porter.errors import PlanError
from porter.model import Edit, Plan
from porter.plan.splice import ordered, splice


@dataclass(frozen=True)
class PortedFile:
    """One file that a plan changes or adds.

    Attributes:
        path: Relative to the package's project root.
        pristine: None for a file that the plan adds.
        edits: In the order in which they stand in the file; none for an added file.
        rule: The rule that adds the file; empty otherwise.
    """

    package: str
    path: str
    pristine: bytes | None
    ported: bytes
    edits: tuple[Edit, ...] = ()
    rule: str = ""


def ported_files(plan: Plan, read: Callable[[str, str], bytes]) -> list[PortedFile]:
    """Every file that a plan touches, sorted by package and path.

    Args:
        read: Package and path -> the pristine bytes that the plan was made of.
    """
    files = [
        PortedFile(new.package, new.path, None, new.content, rule=new.rule)
        for new in plan.new_files
    ]
    for (package, path), group in groupby(ordered(plan.edits), lambda e: (e.package, e.path)):
        edits = tuple(group)
        pristine = read(package, path)
        files.append(PortedFile(package, path, pristine, splice(pristine, edits), edits))
    return sorted(files, key=lambda file: (file.package, file.path))


def check_compiles(files: Iterable[PortedFile]) -> None:
    """Refuse a port that breaks a Python file.

    Raises:
        PlanError: Naming every file that does not compile, and the rules that edit it.
    """
    failures = [
        f"{file.package}: {file.path}: the ported file does not compile: {problem}"
        f" (rules: {', '.join(sorted({edit.rule for edit in file.edits} | {file.rule} - {''}))})"
        for file in files
        if (problem := compile_problem(file.path, file.ported))
    ]
    if failures:
        raise PlanError(failures, hint="Nothing was written.")


def compile_problem(path: str, data: bytes) -> str:
    """Why Python cannot compile a file; empty if it can, or if it is not Python."""
    if not path.endswith(".py"):
        return ""
    try:
        with warnings.catch_warnings():
            # Upstream's odd escapes are not what is asked here.
            warnings.simplefilter("ignore")
            compile(data, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        return str(error)
    return ""
