"""Processes of this machine, as ``/proc`` tells of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path


def command_of(process: int) -> str:
    """What was started, with its arguments; empty for a process that has ended."""
    return _read(process, "cmdline").replace(b"\0", b" ").decode(errors="replace").strip()


def marked(variable: str) -> list[int]:
    """The processes that have this ``NAME=VALUE`` in their environment, zombies not counted."""
    text = variable.encode()
    return [process for process in _all() if text in _read(process, "environ").split(b"\0")]


def listening() -> set[int]:
    """The TCP ports that are listened to here."""
    return set(_listeners().values())


def listened_to_by(family: Iterable[int]) -> set[int]:
    """The TCP ports that these processes listen to."""
    listeners = _listeners()
    return {
        port for process in family for socket, port in listeners.items() if _has(process, socket)
    }


def _listeners() -> dict[str, int]:
    """What a socket is called in ``/proc/*/fd`` -> its port."""
    found = {}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text(encoding="utf-8").splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A":
                found[f"socket:[{fields[9]}]"] = int(fields[1].rpartition(":")[2], 16)
    return found


def _has(process: int, socket: str) -> bool:
    try:
        return any(file.readlink().name == socket for file in Path(f"/proc/{process}/fd").iterdir())
    except OSError:  # it has ended, or a file was closed meanwhile
        return False


def _all() -> Iterator[int]:
    return (int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdecimal())


def _read(process: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{process}/{name}").read_bytes()
    except OSError:
        return b""
