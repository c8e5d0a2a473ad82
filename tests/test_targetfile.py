"""What is wrong with a target file is said with the file and the key."""

from __future__ import annotations

from pathlib import Path

import pytest

from porter.errors import TargetFileError
from porter.rulebook.catalog import check_asks, get_target, load_targets
from tests.helpers import rule_from, target_from

TARGET = """
[target]
name = "chip"
vendor = "Us"
chip = "One"
summary = "A chip."

[torch]
family = "plugin"
device = "chip"
plugin = "torch_chip"
backend = "ccl"

[traits]
own-device = "It says so."

[pins.default]
mmengine = "0.10.5"
"""


RULE = """
id = "mmengine/rule"
why = "Because the test of it says so."
source = "a test"
optional = OPTIONAL
files = ["a.py"]
when = { trait = "own-device" }

[[edit]]
kind = "rewrite"
match = "f()"
replace = "g()"

[[case]]
name = "renames"
before = "f()"
after = "g()"
"""


def test_a_target_fills_the_names_that_rules_use(tmp_path: Path) -> None:
    target = target_from(TARGET, tmp_path)
    assert target.variables["device_upper"] == "CHIP"
    assert target.variables["amp_module"] == "torch.chip.amp"
    assert target.pins["default"] == {"mmengine": "0.10.5"}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        pytest.param('"chip"\nvendor', '"chop"\nvendor', "target.name: must be 'chip'", id="name that is not the file's"),
        pytest.param('"plugin"', '"plug"', "torch.family: must be one of", id="unknown family"),
        pytest.param('plugin = "torch_chip"\n', "", "torch.plugin: a target of the family", id="plugin without a module"),
        pytest.param('device = "chip"', 'device = "a b"', "torch.device: must be a device type", id="device that is no word"),
        pytest.param("0.10.5", "latest", "pins.default.mmengine: 'latest' is not a version", id="bad version"),
        pytest.param("[pins.default]", "[pins.other]", "pins: there is no set `default`", id="no default set"),
        pytest.param("[traits]", "[trait]", "unknown key `trait`", id="unknown table"),
        pytest.param('"ccl"', '"ccl"\namp_dtypes = ["half"]', "torch.amp_dtypes: 'half'", id="unknown dtype"),
        pytest.param("[pins.default]", '[rules]\nask = "a/b"\n[pins.default]', "rules.ask: must be a list", id="ask that is no list"),
        pytest.param("[target]", "[target", "not valid TOML", id="malformed TOML"),
    ],
)  # fmt: skip
def test_bad_targets(old: str, new: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(TargetFileError, match=message) as caught:
        target_from(TARGET.replace(old, new), tmp_path)
    assert "chip.toml" in str(caught.value)


@pytest.mark.parametrize(
    ("asked", "optional", "message", "hint"),
    [
        ("mmengine/rul", "true", "no rule 'mmengine/rul'", "Did you mean `mmengine/rule`?"),
        ("mmengine/rule", "false", "mmengine/rule is not optional", ""),
    ],
)
def test_a_target_asks_for_optional_rules_that_exist(
    asked: str, optional: str, message: str, hint: str, tmp_path: Path
) -> None:
    target = target_from(TARGET + f'[rules]\nask = ["{asked}"]\n', tmp_path)
    rule = rule_from(RULE.replace("OPTIONAL", optional), tmp_path)
    with pytest.raises(TargetFileError, match=f"chip.toml: rules.ask: {message}") as caught:
        check_asks([rule], [target])
    assert caught.value.hint == hint


def test_an_unknown_target_comes_with_the_nearest_known_one() -> None:
    with pytest.raises(TargetFileError) as caught:
        get_target("sda")
    assert "Did you mean `sdaa`?" in caught.value.hint


def test_a_users_folder_adds_targets(tmp_path: Path) -> None:
    target_from(TARGET, tmp_path)
    assert load_targets([tmp_path]).keys() > {"chip", "sdaa", "npu", "bi_v150"}
    assert get_target("chip", [tmp_path]).vendor == "Us"


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(TargetFileError, match="nowhere is not a folder"):
        load_targets([tmp_path / "nowhere"])
