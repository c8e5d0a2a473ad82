"""Small releases, archives and a package index, made by the tests themselves."""

from __future__ import annotations

import hashlib
import tarfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

from git import Actor, Repo

from porter.model import Pin

RELEASE = {
    "setup.py": b"from setuptools import setup\nsetup(name='mmcv', version='2.1.0')\n",
    "mmcv/__init__.py": b"from .version import __version__\n",
    "mmcv/version.py": b"__version__ = '2.1.0'\n",
    "mmcv/ops/__init__.py": b"",
    "mmcv/ops/roi_align.py": b"value = 1\n" * 40_000,
}
"""A project named as one of upstream's, with nothing of upstream's in it; 400 KB in one file."""

SOMEBODY = Actor("Somebody", "somebody@localhost")


def release(package: str, version: str) -> dict[str, bytes]:
    """The files of a release of any package."""
    return {
        path.replace("mmcv", package): text.replace(b"2.1.0", version.encode())
        for path, text in RELEASE.items()
    }


def member(name: str, **attributes: object) -> tarfile.TarInfo:
    """A member's header."""
    info = tarfile.TarInfo(name)
    for key, value in attributes.items():
        setattr(info, key, value)
    return info


def make_tar(*members: tuple[tarfile.TarInfo, bytes], format: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar with these members, in this order."""
    file = BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=format) as tar:
        for info, content in members:
            if info.isreg():
                info.size = len(content)
            tar.addfile(info, BytesIO(content))
    return file.getvalue()


def make_archive(files: Mapping[str, bytes], top: str = "mmcv-2.1.0", level: int = 1) -> bytes:
    """A ``.tar.gz`` of files in one top-level folder."""
    file = BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz", compresslevel=level) as tar:
        for path, content in files.items():
            info = member(f"{top}/{path}", size=len(content), mode=0o644)
            tar.addfile(info, BytesIO(content))
    return file.getvalue()


def pin_of(archive: bytes, package: str = "mmcv", version: str = "2.1.0") -> Pin:
    """The pin that an archive fulfils."""
    return Pin(package, version, sha256=hashlib.sha256(archive).hexdigest(), tag=f"v{version}")


def write_files(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Write files below a folder; returns the folder."""
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def commit_all(folder: Path, tag: str = "") -> str:
    """Commit whatever is in a folder, making it a repository; returns the commit id."""
    with Repo.init(folder) as repo:
        repo.git.add(all=True)
        commit = repo.index.commit("a release", author=SOMEBODY, committer=SOMEBODY)
        if tag:
            repo.create_tag(tag, force=True)
        return commit.hexsha


@dataclass
class Server:
    """A package index on this machine, as well or badly behaved as a test asks.

    Attributes:
        files: Archive name -> what is really sent for it.
        resumes: Whether ``Range`` is honoured.
        cuts: How many bytes to send of each of the next answers, before breaking off.
        shift: Bytes by which the answer to a ``Range`` misses what was asked for.
        status: The status of every answer, if not 0.
        hold: If given, an answer stops half way until this event is set.
        digests: Whether the pages state the archives' digests.
        log: The archives asked for, each with its ``Range`` or "".
    """

    url: str
    files: dict[str, bytes] = field(default_factory=dict)
    resumes: bool = True
    cuts: list[int] = field(default_factory=list)
    shift: int = 0
    status: int = 0
    hold: threading.Event | None = None
    digests: bool = False
    log: list[tuple[str, str]] = field(default_factory=list)

    def offer(self, archive: bytes, package: str = "mmcv", version: str = "2.1.0") -> Pin:
        """Put an archive on the index."""
        self.files[f"{package}-{version}.tar.gz"] = archive
        return pin_of(archive, package, version)

    @property
    def ranges(self) -> list[str]:
        """The ``Range`` of each request for an archive."""
        return [asked for _, asked in self.log]


@contextmanager
def serving() -> Iterator[Server]:
    """Run a server while the body runs."""
    server = Server("")

    class Handler(_Handler):
        shelf = server

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server.url = f"http://127.0.0.1:{http.server_address[1]}"
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            if server.hold is not None:
                server.hold.set()
            http.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    shelf: Server

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        _, kind, name = self.path.split("/", 2)
        if self.shelf.status:
            self.send_error(self.shelf.status)
        elif kind == "simple":
            self._send_page(name.strip("/"))
        elif name in self.shelf.files:
            self._send_file(name)
        else:
            self.send_error(404)

    def _send_page(self, project: str) -> None:
        names = [name for name in self.shelf.files if name.startswith(f"{project}-")]
        if not names:
            self.send_error(404)
            return
        links = "".join(f'<a href="/files/{name}{self._digest(name)}">{name}</a>' for name in names)
        self._send_head(200, len(links), "text/html")
        self.wfile.write(links.encode())

    def _digest(self, name: str) -> str:
        stated = hashlib.sha256(self.shelf.files[name]).hexdigest()
        return f"#sha256={stated}" if self.shelf.digests else ""

    def _send_file(self, name: str) -> None:
        content, asked = self.shelf.files[name], self.headers.get("Range", "")
        self.shelf.log.append((name, asked))
        if asked and self.shelf.resumes:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            if start >= len(content):
                self.send_error(416)
                return
            start += self.shelf.shift
            self._send_head(206, len(content) - start, span=f"bytes {start}-/{len(content)}")
            content = content[start:]
        else:
            self._send_head(200, len(content))
        self._send_body(content)

    def _send_head(self, status: int, length: int, kind: str = "", span: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind or "application/octet-stream")
        self.send_header("Content-Length", str(length))
        if span:
            self.send_header("Content-Range", span)
        self.end_headers()

    def _send_body(self, content: bytes) -> None:
        if self.shelf.hold is not None:
            self.wfile.write(content[: len(content) // 2])
            self.shelf.hold.wait(30)
            content = content[len(content) // 2 :]
        elif self.shelf.cuts:
            content = content[: self.shelf.cuts.pop(0)]
        # Whoever asked may be dead by now, as a test wants it.
        with suppress(ConnectionError):
            self.wfile.write(content)
