"""The three forms of an export: a patch series, a git branch, an overlay of changed files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from porter import __version__
from porter.export.series import Step
from porter.export.subject import Subject
from porter.source.gitwrite import Commit, write_repository
from porter.write import Content
from porter.write.steps import write_files

Form = Literal["patches", "git", "overlay"]

#: Same port, same bytes: who made it and when is nobody's business here.
AUTHOR = "porter <porter@localhost>"
SECONDS = 1767225600
_DATE = "Thu, 1 Jan 2026 00:00:00 +0000"
_EXECUTABLE = 0o100


def write_patches(folder: Path, subject: Subject, made: Sequence[Step]) -> None:
    """A numbered patch a step, and the file ``series`` that lists them, as quilt has it."""
    names = [patch_name(number, step) for number, step in enumerate(made, start=1)]
    texts = [_patch(n, len(made), step) for n, step in enumerate(made, start=1)]
    contents = [Content(name, text) for name, text in zip(names, texts, strict=True)]
    series = "".join(f"{name}\n" for name in names).encode()
    write_files(folder, [*contents, Content("series", series)])


def write_git(folder: Path, subject: Subject, made: Sequence[Step]) -> None:
    """A repository: the pristine packages as its first commit, then a commit a step."""
    branch = branch_name(subject)
    versions = ", ".join(f"{name} {pin}" for name, pin in subject.manifest.pins.items())
    base = Commit(f"{versions}, as upstream has them\n", dict(_pristine(subject)))
    commits = [
        Commit(
            f"{step.subject}\n\n{step.body}",
            {path: (data, _mode(subject, path)) for path, data in step.after.items()},
        )
        for step in made
    ]
    write_repository(folder, branch, [base, *commits], author=AUTHOR, seconds=SECONDS)


def write_overlay(folder: Path, subject: Subject, made: Sequence[Step]) -> None:
    """For each package a folder ``<package>_need`` with the changed files alone."""
    files: dict[str, bytes] = {}
    for step in made:
        files |= step.after
    write_files(
        folder,
        [
            Content(_need(subject, path), data, _mode(subject, path))
            for path, data in sorted(files.items())
        ],
    )


WRITERS: Mapping[Form, Callable[[Path, Subject, Sequence[Step]], None]] = {
    "patches": write_patches,
    "git": write_git,
    "overlay": write_overlay,
}


def patch_name(number: int, step: Step) -> str:
    """``0007-mmcv-roi-align-own-input.patch``."""
    return f"{number:04}-{re.sub(r'[^A-Za-z0-9.]+', '-', step.name)}.patch"


def branch_name(subject: Subject) -> str:
    """The branch of the port, which is checked out."""
    return f"porter/{subject.manifest.target}"


def _patch(number: int, total: int, step: Step) -> bytes:
    # A mail, as `git format-patch` writes it: patch, git apply and git am all take it.
    head = (
        f"From {'0' * 40} Mon Sep 17 00:00:00 2001\n"
        f"From: {AUTHOR}\n"
        f"Date: {_DATE}\n"
        f"Subject: [PATCH {number:0{len(str(total))}}/{total}] {step.subject}\n"
        "MIME-Version: 1.0\n"
        "Content-Type: text/plain; charset=UTF-8\n"
        "Content-Transfer-Encoding: 8bit\n"
        f"X-Mailer: porter {__version__}\n"
        f"\n{step.body}---\n\n"
    )
    text = head + "".join(diff.text for diff in step.diffs)
    return text.encode("utf-8", "surrogateescape")


def _pristine(subject: Subject) -> Iterator[tuple[str, tuple[bytes, int]]]:
    for package, tree in subject.trees.items():
        for path in tree.paths():
            yield subject.manifest.location(package, path), (tree.read(path), tree.mode(path))


def _mode(subject: Subject, path: str) -> int:
    file = subject.files[path]
    if file.pristine is None:
        return 0o644
    return 0o755 if subject.trees[file.package].mode(file.path) & _EXECUTABLE else 0o644


def _need(subject: Subject, path: str) -> str:
    file = subject.files[path]
    return f"{file.package}_need/{file.path}"
