"""Git as the rest of ``porter.source`` needs it, through GitPython; its errors as porter's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from porter.errors import SourceError
from porter.source.download import without_password

if TYPE_CHECKING:
    from git import Repo

# Fail rather than ask for a password, and give up on a connection that stands still.
_ENVIRONMENT = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_HTTP_LOW_SPEED_LIMIT": "100",
    "GIT_HTTP_LOW_SPEED_TIME": "60",
}


def changed_in_checkout(folder: Path) -> list[str]:
    """What ``git status`` lists in a checkout: paths changed, added or gone, sorted.

    Raises:
        SourceError: If git cannot read it.
    """
    with git_errors(f"{folder}: git cannot read it"), _checkout(folder) as repo:
        status = repo.git.status(porcelain=True, z=True, no_renames=True, untracked_files="all")
    return sorted(entry[3:] for entry in status.split("\0") if entry)


def tracked_files(folder: Path) -> list[str]:
    """The paths that git tracks in a checkout.

    Raises:
        SourceError: If git cannot read it.
    """
    with git_errors(f"{folder}: git cannot read it"), _checkout(folder) as repo:
        return [path for path in repo.git.ls_files(z=True).split("\0") if path]


@contextmanager
def bare(folder: Path) -> Iterator[Repo]:
    """Open a bare repository of the cache's."""
    from git import Repo

    with Repo(folder) as repo:
        # Named outright, for users whose git does not look for bare repositories by itself.
        repo.git.update_environment(GIT_DIR=str(folder), **_ENVIRONMENT)
        yield repo


@contextmanager
def _checkout(folder: Path) -> Iterator[Repo]:
    from git import Repo

    with Repo(folder) as repo:
        # A checkout's own settings must not make `git status` run a program of its choice.
        repo.git.set_persistent_git_options(c="core.fsmonitor=false")
        yield repo


@contextmanager
def git_errors(message: str, url: str = "", *, hint: str = "") -> Iterator[None]:
    """Report what git says as porter's own error.

    Args:
        hint: What to do about it, where it is not the network that is to blame.

    Raises:
        SourceError: In place of any error of git; also if git is not installed.
    """
    try:
        import git
    except ImportError as problem:
        raise SourceError(
            f"{message}: the git program is not installed",
            hint=hint or "Install git, or use --from archive.",
        ) from problem
    try:
        yield
    except (git.exc.GitError, ValueError) as problem:
        words = _words(problem).replace(url, without_password(url)) if url else _words(problem)
        raise SourceError(
            f"{message}: {words}",
            hint=hint or "Check the network and the mirror, or use --from archive.",
        ) from problem


def _words(problem: Exception) -> str:
    """What git printed, without GitPython's frame around it."""
    printed = str(getattr(problem, "stderr", "") or problem)
    text = printed.strip().removeprefix("stderr:").strip().strip("'").strip()
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    fatal = [line for line in lines if line.startswith(("fatal:", "error:"))]
    return (fatal or lines or [type(problem).__name__])[0]
