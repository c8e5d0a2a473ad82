"""Downloading one file so that an interruption costs only what is still missing."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from porter.errors import SourceError

if TYPE_CHECKING:
    from requests import RequestException, Response, Session

TIMEOUT = (10.0, 60.0)
"""Seconds to wait for a connection, and for the next bytes."""

ATTEMPTS = 4
"""Requests for one file before a connection that keeps breaking is given up."""

MAX_BYTES = 512 * 2**20
"""Most bytes of one download; mmdet's archive has 1.2 MB."""

_CHUNK = 65_536
_RANGE_START = re.compile(r"bytes (\d+)-")


class _Interrupted(Exception):
    """The connection broke in the middle; what has arrived is kept."""


def download(session: Session, url: str, part: Path, report: Callable[[int, int], None]) -> bool:
    """Download ``url`` to ``part``, going on from what is there of an earlier try.

    Args:
        report: Called with the bytes done and the total, 0 if the server does not say.

    Returns:
        Whether the file was joined from more than one response. If so, and its digest is
        wrong, a clean download may still be right.

    Raises:
        SourceError: If the server cannot be reached, refuses, or keeps breaking off.
        OSError: If ``part`` cannot be written.
    """
    for _ in range(ATTEMPTS):
        try:
            return _request(session, url, part, report)
        except _Interrupted as problem:
            last = problem
    raise SourceError(
        f"{without_password(url)}: the download broke off {ATTEMPTS} times: {last}",
        hint="Run the command again: it goes on where this download stopped.",
    )


def without_password(url: str) -> str:
    """The URL as it may be shown: without user name and password."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _request(session: Session, url: str, part: Path, report: Callable[[int, int], None]) -> bool:
    """One request; whether it went on from bytes that were there."""
    from requests import RequestException
    from urllib3.exceptions import HTTPError

    have = part.stat().st_size if part.exists() else 0
    # A server that compresses on the way, or calls a .tar.gz "encoded", would change the digest.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        with session.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
            start = _start(response, have, part)
            _save(response, start, part, report)
    except HTTPError as problem:
        raise _Interrupted(str(problem.args[0] if problem.args else problem)) from problem
    except RequestException as problem:
        raise SourceError(
            f"{without_password(url)} cannot be downloaded: {reason(problem)}",
            hint="Check the network, or set PIP_INDEX_URL to a mirror that you can reach.",
        ) from problem
    return start > 0


def _start(response: Response, have: int, part: Path) -> int:
    """The offset of the response's first byte: ``have`` if the server resumes, else 0."""
    span = _RANGE_START.match(response.headers.get("Content-Range", ""))
    if response.status_code == 206 and span and int(span[1]) == have:
        return have
    if have and response.status_code in (206, 416):
        part.unlink()
        raise _Interrupted("the server does not resume where asked")
    response.raise_for_status()
    return 0


def _save(response: Response, start: int, part: Path, report: Callable[[int, int], None]) -> None:
    length = response.headers.get("Content-Length", "")
    total, done = start + int(length) if length.isdecimal() else 0, start
    with part.open("ab" if start else "wb") as file:
        for chunk in response.raw.stream(_CHUNK, decode_content=False):
            file.write(chunk)
            done += len(chunk)
            if done > MAX_BYTES:
                raise SourceError(f"{response.url} is larger than {MAX_BYTES >> 20} MiB")
            report(done, total)
    if done < total:
        raise _Interrupted(f"{done} of {total} bytes arrived")


def reason(problem: RequestException) -> str:
    """Why a request failed, in words, without the URL (which may hold a password)."""
    if problem.response is not None:
        return f"the server answers {problem.response.status_code} {problem.response.reason}"
    cause: object = problem.args[0] if problem.args else problem
    cause = getattr(cause, "reason", cause)
    words = str(cause).rpartition(": ")[2]
    return words or type(problem).__name__
