"""The package index that pip is configured with, asked where an archive is."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from porter.errors import SourceError
from porter.model import Pin
from porter.source.download import TIMEOUT, reason, without_password
from porter.source.pins import same_version

if TYPE_CHECKING:
    from pypi_simple import DistributionPackage, ProjectPage, PyPISimple
    from requests import Session

RETRIES = 2
"""Times that a request is repeated if no answer, or an overloaded server's, comes."""

_PIP_SECTIONS = ("download", "install", "global")


class Index:
    """A package index; nothing is asked of it before the first question.

    Use it in a ``with``, which closes its connections.
    """

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *_problem: object) -> None:
        if "_client" in self.__dict__:
            self._client.s.close()

    @cached_property
    def _client(self) -> PyPISimple:
        from pypi_simple import PyPISimple

        session = _new_session()
        url = pip_setting("index-url")
        return PyPISimple(url, session=session) if url else PyPISimple(session=session)

    @property
    def session(self) -> Session:
        """The connections to download with."""
        return self._client.s

    def archive_url(self, pin: Pin) -> str:
        """The URL of the pin's source archive.

        Raises:
            SourceError: If the index cannot be reached, or has no such archive.
        """
        archives = [file for file in self._page(pin).packages if _is_archive(file, pin)]
        if not archives:
            raise self._lacks(f"the source archive of {pin}")
        # An index may have several; the digest it states is a hint, not yet the check.
        return max(archives, key=lambda file: file.digests.get("sha256") == pin.sha256).url

    def releases(self, package: str) -> list[Pin]:
        """Every release with a source archive, oldest first; without digest if none is stated.

        Raises:
            SourceError: If the index cannot be reached, or has no such project.
        """
        found: dict[Version, Pin] = {}
        for file in self._page(Pin(package, "")).packages:
            if file.package_type == "sdist" and file.filename.endswith(".tar.gz"):
                with suppress(InvalidVersion):
                    version = Version(file.version or "")
                    if not (file.is_yanked or version.is_prerelease):
                        sha256 = (file.digests or {}).get("sha256", "")
                        found[version] = Pin(package, str(file.version), sha256=sha256)
        return [found[version] for version in sorted(found)]

    def _page(self, pin: Pin) -> ProjectPage:
        from pypi_simple import (
            NoSuchProjectError,
            UnsupportedContentTypeError,
            UnsupportedRepoVersionError,
        )
        from requests import RequestException

        try:
            return self._client.get_project_page(pin.package, timeout=TIMEOUT)
        except NoSuchProjectError as problem:
            raise self._lacks(f"the project {pin.package}") from problem
        except (UnsupportedContentTypeError, UnsupportedRepoVersionError) as problem:
            raise SourceError(f"{self._name} is not a package index: {problem}") from problem
        except RequestException as problem:
            raise SourceError(
                f"{str(pin).strip()}: {self._name} cannot be reached: {reason(problem)}",
                hint="Check the network, or set PIP_INDEX_URL to a mirror that you can reach.",
            ) from problem

    @property
    def _name(self) -> str:
        return f"the package index {without_password(self._client.endpoint)}"

    def _lacks(self, what: str) -> SourceError:
        return SourceError(
            f"{self._name} does not have {what}",
            hint="Set PIP_INDEX_URL to an index that has it, or use --from git.",
        )


def pip_setting(name: str) -> str:
    """A setting of pip, such as ``index-url``: from the environment, else from its files.

    Returns:
        The setting, or "" if pip is not configured, or not there to be asked.
    """
    variable = f"PIP_{name.upper().replace('-', '_')}"
    if os.environ.get(variable, "").strip():
        return os.environ[variable].strip()
    found = (_pip_configuration().get(f"{section}.{name}", "") for section in _PIP_SECTIONS)
    return next((value for value in found if value), "")


@lru_cache(maxsize=1)
def _pip_configuration() -> Mapping[str, str]:
    """What ``pip config list`` prints, as a table."""
    for pip in ([sys.executable, "-m", "pip"], [shutil.which("pip") or ""]):
        with suppress(OSError, subprocess.SubprocessError):
            listing = subprocess.run(
                [*pip, "config", "list"], capture_output=True, check=True, text=True, timeout=30
            )
            return dict(_settings(listing.stdout))
    return {}


def _settings(listing: str) -> list[tuple[str, str]]:
    settings = []
    for line in listing.splitlines():
        key, _, value = line.partition("=")
        with suppress(ValueError, SyntaxError):
            settings.append((key, str(ast.literal_eval(value))))
    return settings


def _new_session() -> Session:
    """A session with pip's certificate and proxy, which mirrors inside a company need."""
    from requests import Session
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    session = Session()
    retry = Retry(RETRIES, backoff_factor=0.3, status_forcelist=(429, 500, 502, 503, 504))
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry))
    session.verify = pip_setting("cert") or True
    if proxy := pip_setting("proxy"):
        session.proxies = {"http": proxy, "https": proxy}
    return session


def _is_archive(file: DistributionPackage, pin: Pin) -> bool:
    is_source = file.package_type == "sdist" and file.filename.endswith(".tar.gz")
    return is_source and file.version is not None and same_version(file.version, pin.version)
