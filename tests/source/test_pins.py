from __future__ import annotations

import re

import pytest
from packaging.version import Version

from porter.errors import UnsupportedVersion, UsageError
from porter.source.pins import known_packages, known_pin, known_versions, parse_pin, repository

RELEASES = [
    (package, version) for package in known_packages() for version in known_versions(package)
]


def test_the_releases_are_those_of_the_documentation() -> None:
    assert known_packages() == ("mmengine", "mmcv", "mmdet", "apex")
    assert known_versions("mmengine") == ("0.10.3", "0.10.4", "0.10.5", "0.10.6", "0.10.7")
    assert known_versions("mmcv") == ("1.2.7", "2.0.0", "2.0.1", "2.1.0", "2.2.0")
    assert known_versions("mmdet") == ("2.10.0", "2.11.0", "3.1.0", "3.2.0", "3.3.0")
    assert known_versions("apex") == known_versions("numpy") == ()


@pytest.mark.parametrize(("package", "version"), RELEASES, ids=map("-".join, RELEASES))
def test_every_release_is_recorded_in_full(package: str, version: str) -> None:
    pin = known_pin(package, version)
    assert str(pin) == f"{package} {Version(version)}"
    assert re.fullmatch("[0-9a-f]{64}", pin.sha256)
    assert re.fullmatch("[0-9a-f]{40}", pin.commit) or package == "mmdet"
    assert pin.tag == f"v{version}"


def test_no_digest_stands_for_two_releases() -> None:
    digests = [known_pin(package, version).sha256 for package, version in RELEASES]
    assert len(set(digests)) == len(digests) == 15


def test_the_repository_of_mmdet_has_another_name() -> None:
    assert repository("mmdet") == "open-mmlab/mmdetection"


def test_a_version_may_be_spelt_otherwise() -> None:
    assert known_pin("mmcv", "2.1") == known_pin("mmcv", "2.1.0")


@pytest.mark.parametrize(
    ("package", "version", "message", "hint"),
    [
        pytest.param(
            "mmcv",
            "2.0.5",
            "mmcv 2.0.5 is not supported",
            "Supported versions of mmcv: 1.2.7, 2.0.0, 2.0.1, 2.1.0, 2.2.0.",
            id="a version without a pin",
        ),
        pytest.param("mmcv", "new", "mmcv new is not supported", "1.2.7", id="no version at all"),
        pytest.param(
            "apex", "0.1", "apex 0.1 is not supported", "--from PATH", id="no pins at all"
        ),
        pytest.param("mmdte", "3.3.0", "no package `mmdte`", "Did you mean `mmdet`?", id="a slip"),
        pytest.param("numpy", "2", "no package `numpy`", "mmengine, mmcv", id="another package"),
    ],
)
def test_what_is_not_recorded_is_an_error_that_says_what_is(
    package: str, version: str, message: str, hint: str
) -> None:
    with pytest.raises(UnsupportedVersion, match=re.escape(message)) as caught:
        known_pin(package, version)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("text", "pin"),
    [
        pytest.param("mmcv=2.0.1", ("mmcv", "2.0.1"), id="as documented"),
        pytest.param("mmcv==2.0.1", ("mmcv", "2.0.1"), id="as pip has it"),
        pytest.param(" mmcv = 2.0.1 ", ("mmcv", "2.0.1"), id="with blanks"),
        pytest.param("mmcv=2.0.5", ("mmcv", "2.0.5"), id="a version that is not recorded"),
    ],
)
def test_a_pin_is_read(text: str, pin: tuple[str, str]) -> None:
    assert parse_pin(text) == pin


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("mmcv", "--pin mmcv: not a pin", id="no version"),
        pytest.param("mmcv=", "--pin mmcv=: not a pin", id="an empty version"),
        pytest.param("=2.0.1", "--pin =2.0.1: not a pin", id="no package"),
        pytest.param("mmcv=latest", "--pin mmcv=latest: not a pin", id="a word for a version"),
        pytest.param("mmcv>=2.0", "--pin mmcv>=2.0: porter knows no package", id="a range"),
        pytest.param("torch=2.1", "porter knows no package `torch`", id="another package"),
    ],
)
def test_what_is_no_pin_is_an_error_that_repeats_it(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        parse_pin(text)
