from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from porter.source import index
from porter.source.index import Index, pip_setting

from .helpers import Server, make_archive, pin_of, release


@pytest.fixture
def pip_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """The one file that pip reads its configuration from."""
    file = tmp_path / "pip.conf"
    for name in ("PIP_INDEX_URL", "PIP_CERT", "PIP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(file))
    index._pip_configuration.cache_clear()
    yield file
    index._pip_configuration.cache_clear()


@pytest.mark.parametrize(
    ("lines", "url"),
    [
        pytest.param("[global]\nindex-url = http://a/simple", "http://a/simple", id="for all"),
        pytest.param("[global]\nindex-url=http://a/x?y=z", "http://a/x?y=z", id="with a ="),
        pytest.param(
            "[global]\nindex-url = http://a\n[install]\nindex-url = http://b",
            "http://b",
            id="for one command, which counts more",
        ),
        pytest.param("[global]\ntimeout = 5", "", id="nothing about it"),
    ],
)
def test_the_index_is_the_one_that_pip_is_configured_with(
    pip_file: Path, lines: str, url: str
) -> None:
    pip_file.write_text(lines, encoding="utf-8")
    assert pip_setting("index-url") == url


def test_the_environment_counts_more_than_the_file(
    pip_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pip_file.write_text("[global]\nindex-url = http://file", encoding="utf-8")
    monkeypatch.setenv("PIP_INDEX_URL", "http://environment")
    assert pip_setting("index-url") == "http://environment"


@pytest.mark.parametrize(
    "program",
    [
        pytest.param("/nowhere/python", id="there is no pip"),
        pytest.param("/bin/false", id="pip fails"),
    ],
)
def test_without_pip_nothing_is_configured(
    pip_file: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    pip_file.write_text("[global]\nindex-url = http://a/simple", encoding="utf-8")
    monkeypatch.setattr(sys, "executable", program)
    monkeypatch.setenv("PATH", "")
    assert pip_setting("index-url") == ""


def test_the_pip_of_the_path_is_asked_where_porters_python_has_none(
    pip_file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "pip"
    program.write_text("#!/bin/sh\necho \"global.index-url='http://a/simple'\"\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert pip_setting("index-url") == "http://a/simple"


def test_a_certificate_and_a_proxy_of_pip_are_used(
    pip_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_CERT", "/company/ca.pem")
    monkeypatch.setenv("PIP_PROXY", "http://proxy:3128")
    monkeypatch.setenv("PIP_INDEX_URL", "http://a/simple")
    with Index() as asked:
        assert asked.session.verify == "/company/ca.pem"
        assert asked.session.proxies["https"] == "http://proxy:3128"


def test_nothing_is_asked_before_it_is_needed(server: Server) -> None:
    with Index() as asked:
        assert vars(asked) == {}
    assert server.log == []


def test_wheels_and_other_versions_are_passed_over(server: Server) -> None:
    archive = make_archive(release("mmcv", "2.1.0"))
    server.files = {
        "mmcv-2.1.0-py3-none-any.whl": b"",
        "mmcv-2.0.1.tar.gz": b"",
        "mmcv-2.1.0.zip": b"",
        "mmcv-2.1.0.tar.gz": archive,
        "mmcv-2.1.1.tar.gz": b"",
    }
    with Index() as asked:
        assert asked.archive_url(pin_of(archive)) == f"{server.url}/files/mmcv-2.1.0.tar.gz"
