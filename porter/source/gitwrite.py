"""A new git repository with a history that is given, through GitPython and ``git fast-import``."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from porter.source.gitread import git_errors

#: Files go in and come out as they are, whatever a package's own attributes say.
_ATTRIBUTES = "* -text -eol -filter -ident -working-tree-encoding\n"
_EXECUTABLE = 0o100
_HINT = "Install git, or free some space."


@dataclass(frozen=True)
class Commit:
    """One commit.

    Attributes:
        message: Ends in a line end.
        files: Path -> bytes and permission bits, of the files that it adds or changes.
    """

    message: str
    files: Mapping[str, tuple[bytes, int]]


def write_repository(
    folder: Path, branch: str, commits: Sequence[Commit], *, author: str, seconds: int
) -> None:
    """Make a repository with one branch, which is checked out; same input, same commit ids.

    Args:
        folder: Empty, or not there.
        author: ``Name <address>``.
        seconds: The time of every commit, since 1970, UTC.

    Raises:
        SourceError: If git is not installed, or refuses.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with git_errors(f"{folder}: git cannot make a repository", hint=_HINT):
        from git import Git, Repo

        maker = Git(folder)
        # No template: hooks of this user's have no place in what is handed on.
        maker.update_environment(GIT_TEMPLATE_DIR="")
        maker.init(quiet=True)
        with Repo(folder) as repo:
            info = Path(repo.git_dir, "info")
            info.mkdir(exist_ok=True)
            (info / "attributes").write_text(_ATTRIBUTES, encoding="utf-8")
            reference = f"refs/heads/{branch}"
            with tempfile.TemporaryFile() as stream:
                for piece in _stream(reference, commits, f"{author} {seconds} +0000"):
                    stream.write(piece)
                stream.seek(0)
                repo.git.fast_import(quiet=True, istream=stream)
            repo.git.symbolic_ref("HEAD", reference)
            # Imported with nothing in the index yet; the user's own settings change no byte.
            repo.git(c=("core.autocrlf=false", "core.symlinks=false")).reset(hard=True)


def _stream(reference: str, commits: Sequence[Commit], signature: str) -> Iterator[bytes]:
    """What ``git fast-import`` reads."""
    for commit in commits:
        message = commit.message.encode("utf-8", "surrogateescape")
        yield f"commit {reference}\ncommitter {signature}\n".encode()
        yield b"data %d\n%b\n" % (len(message), message)
        for path, (data, mode) in sorted(commit.files.items()):
            kind = "100755" if mode & _EXECUTABLE else "100644"
            yield f"M {kind} inline {_quoted(path)}\n".encode("utf-8", "surrogateescape")
            yield b"data %d\n%b\n" % (len(data), data)


def _quoted(path: str) -> str:
    if not any(char in path for char in '"\\\n'):
        return path
    escaped = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
