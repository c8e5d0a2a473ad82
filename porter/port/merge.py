"""Three-way merge: a file that was ported, then edited by hand, and is ported anew.

The merging is git's own (``git merge-file``), the merge that its users expect.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from porter.errors import SourceError

_SIDES = ("ours", "base", "theirs")
_LABELS = ("edited by hand", "as it was ported", "the new port")
_CONFLICTS_AT_MOST = 127  # git's exit code counts them up to here; 255 is an error


def merge(base: bytes | None, ours: bytes | None, theirs: bytes | None) -> bytes | None:
    """A file with both the changes from ``base`` to ``ours`` and those to ``theirs``.

    Where one side leaves the file as it is, deletes or adds it, the other side wins.

    Args:
        base: The file as it was last ported; None stands for no file.
        ours: The file as it is, edited by hand.
        theirs: The file as the new port has it.

    Raises:
        ValueError: Both sides change the same or neighbouring lines, in different ways.
        SourceError: There is no git to merge with.
    """
    if theirs in (base, ours):
        return ours
    if ours == base:
        return theirs
    if base is None or ours is None or theirs is None:
        raise ValueError("one side has no such file, the other changes it")
    return _merged(ours, base, theirs)


def marked(base: bytes | None, ours: bytes | None, theirs: bytes | None) -> bytes:
    """A file with both sides where they cannot be merged, as git marks them.

    Raises:
        SourceError: There is no git to merge with, or a side is no text.
    """
    labels = [part for name in _LABELS for part in ("-L", name)]
    status, merged, message = _run(["--diff3", *labels], ours or b"", base or b"", theirs or b"")
    if not 0 <= status <= _CONFLICTS_AT_MOST:
        raise SourceError(f"git cannot merge: {message.strip()}")
    return merged


def _run(options: list[str], *sides: bytes) -> tuple[int, bytes, str]:
    with TemporaryDirectory(prefix="porter-merge-") as folder:
        for name, data in zip(_SIDES, sides):
            (Path(folder) / name).write_bytes(data)
        return _git(["merge-file", "--stdout", "--quiet", *options, *_SIDES], folder)


def _merged(*sides: bytes) -> bytes:
    status, merged, message = _run([], *sides)
    if 0 < status <= _CONFLICTS_AT_MOST:
        raise ValueError("both sides change the same lines")
    if status:
        raise SourceError(f"git cannot merge: {message.strip()}")
    return merged


def _git(arguments: list[str], folder: str) -> tuple[int, bytes, str]:
    # Imported here, as hardly any run merges. It is importing that fails where there is no git.
    try:
        import git
    except ImportError as problem:
        raise SourceError(
            "merging hand edits needs git, which is not there",
            hint="Install git, or give --overwrite-edits.",
        ) from problem
    status, output, message = git.Git(folder).execute(
        ["git", *arguments],
        with_extended_output=True,
        with_exceptions=False,
        stdout_as_string=False,
        strip_newline_in_stdout=False,
    )
    return status, bytes(output), str(message)
