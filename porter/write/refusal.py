"""What the operating system refuses to write, as porter's own error."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from porter.errors import WriteError

AS_IT_WAS = "The folder is as it was."
WRITTEN = "The new files are in place; the next run of porter in this folder tidies up."
HALF_WRITTEN = "The folder is half written; the next run of porter in it finishes the job."

_HINTS = {
    errno.ENOSPC: "Free some space, then run the command again.",
    errno.EDQUOT: "Free some space of your quota, then run the command again.",
    errno.EROFS: "The file system is mounted read-only; name a folder elsewhere with --into.",
    errno.EACCES: "Run porter as the folder's owner, or name another folder with --into.",
    errno.EPERM: "Run porter as the folder's owner, or name another folder with --into.",
}


@contextmanager
def refusals(into: Path, outcome: str) -> Iterator[None]:
    """Turn the block's ``OSError`` into porter's own error.

    Args:
        into: The tree that was to be written.
        outcome: In what state the tree is then, a sentence.

    Raises:
        WriteError: The operating system refused something.
    """
    try:
        yield
    except OSError as error:
        reason = f"{error.strerror or error} ({error.filename or into})"
        raise WriteError(
            f"{into} cannot be written: {reason}. {outcome}", hint=_HINTS.get(error.errno or 0, "")
        ) from error
