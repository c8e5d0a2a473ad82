"""End with the porter that started this process, whatever ended it."""

from __future__ import annotations

import os
import signal
import stat
import threading


def end_with_parent() -> None:
    """End this process when its standard input closes.

    porter holds the other end of that pipe and writes nothing to it, so it closes when porter
    ends, by SIGKILL too. A worker of torchrun inherits the pipe. A terminal, a file or nothing
    at all in its place is whoever's who started this process by hand: nothing is watched then.
    """
    try:
        if not stat.S_ISFIFO(os.fstat(0).st_mode):
            return
    except OSError:
        return
    threading.Thread(target=_wait, name="porter-watchdog", daemon=True).start()


def _wait() -> None:
    try:
        while os.read(0, 4096):
            pass
    except OSError:  # closed in this process, by whatever the tree runs: nothing to go by
        return
    os.kill(os.getpid(), signal.SIGKILL)
