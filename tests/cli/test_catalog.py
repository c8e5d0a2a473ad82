"""``porter targets``, ``rules``, ``schema`` and ``fetch``, as a user runs them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from porter.cli import main

from .conftest import Run


def rows(out: str) -> dict[str, list[str]]:
    """First word of each line -> its words."""
    return {line.split()[0]: line.split() for line in out.splitlines() if line.strip()}


def test_targets_are_listed_with_the_users_own(run: Run) -> None:
    found = rows(run("targets", "list").out)
    assert found["chip"] == ["chip", "Example", "C1", "chip", "ccl", "plugin"]
    assert "sdaa" in found


def test_targets_as_json_are_sorted(run: Run) -> None:
    targets = run("targets", "list", "--json").json["targets"]
    names = [target["name"] for target in targets]
    assert names == sorted(names)
    chip = targets[names.index("chip")]
    assert sorted(chip) == [
        "backend",
        "chip",
        "device",
        "family",
        "name",
        "pins",
        "summary",
        "vendor",
    ]
    assert chip["pins"] == {"mmcv": "98.1", "mmengine": "99.0"}


def test_a_targets_page(run: Run) -> None:
    lines = run("targets", "show", "chip").out.splitlines()
    assert lines[0] == "chip: A chip that only tests know, with <angle brackets>."
    for line in (
        "  Backend          ccl",
        "  default  mmengine 99.0, mmcv 98.1",
        "  old      mmengine 98.0, mmcv 98.1",
        "  chip-test-device",
        "      It registers a device type of its own.",
    ):
        assert line in lines, line
    assert lines[-1].startswith("A port makes 3 of ")


def test_a_targets_page_as_json(run: Run) -> None:
    document = run("targets", "show", "chip", "--json").json
    assert document["rules"] == ["mmcv/notice", "mmcv/own-input", "mmengine/available"]
    assert document["pins"]["old"] == {"mmcv": "98.1", "mmengine": "98.0"}
    assert document["traits"]["chip-test-clone"] == "Its kernel misreads the `inner` layout."


def test_rules_are_listed_with_when_they_are_needed(run: Run) -> None:
    assert (
        "mmcv/own-input\n"
        "  when: chip-test-clone; mmcv >=98\n"
        "  The kernel misreads the inner layout; a clone is plain.\n"
    ) in run("rules", "list").out


def test_rules_are_listed_with_what_a_target_makes_of_them(run: Run) -> None:
    out = run("rules", "list", "--target", "chip", "--pin", "mmengine=97.0").out
    assert "mmcv/own-input\n  made; mmcv >=98\n" in out
    assert "mmcv/never\n  chip has the trait chip-test-device\n" in out
    assert "mmengine/available\n  is for mmengine >=98, not 97.0; mmengine >=98\n" in out
    assert out.splitlines()[-1].endswith(" rules, 2 of them made")


def test_upstreams_own_support_is_a_reason(run: Run) -> None:
    out = run("rules", "list", "--target", "chip", "--pin", "mmcv=98.2").out
    assert "mmcv 98.2 does this for chip itself" in out


def test_rules_of_one_package_as_json(run: Run) -> None:
    rules = run("rules", "list", "--package", "mmcv", "--target", "chip", "--json").json["rules"]
    by_id = {rule["id"]: rule for rule in rules}
    assert all("mmcv" in rule["packages"] for rule in rules)
    assert list(by_id) == sorted(by_id)
    own = by_id["mmcv/own-input"]
    assert own["requires"] == {"mmcv": ">=98"}
    assert own["native"] == {"chip": ">=98.2"}
    assert own["when"] == {"all": ["chip-test-clone"], "any": [], "none": []}
    assert (own["verdict"], own["optional"]) == ("made", False)


def test_a_rules_page_shows_its_cases_as_diffs(run: Run) -> None:
    lines = run("rules", "show", "mmengine/available").out.splitlines()
    for line in (
        "mmengine/available",
        "  Source    our own & only test",
        "  rewrite: 1 place expected",
        "Case: asks the chip",
        "  -x = torch.cuda.is_available()",
        "  +x = torch.chip.is_available()",
        "Case: leaves the count alone (nothing changes)",
        "   x = torch.cuda.device_count()",
    ):
        assert line in lines, line


def test_a_rules_page_as_json(run: Run) -> None:
    document = run("rules", "show", "mmengine/available", "--json").json
    assert [case["name"] for case in document["cases"]] == [
        "asks the chip",
        "leaves the count alone",
    ]
    assert document["cases"][1]["after"] is None
    assert document["operations"] == [{"kind": "rewrite", "within": "", "expect": "1", "files": []}]


OWN = ("mmengine/available", "mmcv/own-input")


def test_cases_that_hold(run: Run) -> None:
    result = run("rules", "test", *OWN)
    assert (result.code, result.out) == (0, "3 cases of 2 rules: all hold\n")


def test_a_case_that_fails_is_shown_as_a_diff(run: Run, project: Path) -> None:
    path = project / "rules/mmengine/available.toml"
    path.write_text(path.read_text().replace("x = torch.chip.is", "y = torch.chip.is"))
    result = run("rules", "test", *OWN)
    assert result.code == 10
    lines = result.out.splitlines()
    assert lines[0] == "FAIL mmengine/available: asks the chip (chip)"
    assert "  -y = torch.chip.is_available()" in lines
    assert "  +x = torch.chip.is_available()" in lines
    assert lines[-1] == "3 cases of 2 rules: 1 failed"
    assert result.err == ""
    document = run("rules", "test", *OWN, "--json").json
    assert (document["passed"], document["failed"]) == (2, 1)
    assert [case["case"] for case in document["cases"] if not case["ok"]] == ["asks the chip"]


@pytest.mark.parametrize("kind", ["rule", "target"])
def test_schemas_are_json(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", kind]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert schema["type"] == "object"


def test_fetch_tells_what_it_has(run: Run) -> None:
    result = run("fetch", "--target", "chip")
    assert result.code == 0
    assert rows(result.out)["mmengine"][:3] == ["mmengine", "99.0", "4"]
    assert result.out.splitlines()[-1] == "From the folder checkouts"


def test_fetch_as_json(run: Run) -> None:
    document = run("fetch", "--pin", "mmcv=98.1", "--json").json
    assert document == {
        "from": "checkouts",
        "packages": [
            {
                "package": "mmcv",
                "version": "98.1",
                "files": 4,
                "sha256": "",
                "tag": "",
                "commit": "",
            }
        ],
    }


def test_offline_with_an_empty_cache(run: Run) -> None:
    result = run("fetch", "--from", "archive", "--offline", "--pin", "mmcv=2.1.0")
    assert result.code == 6
    assert result.err.startswith("error: --offline: not in the cache ")
    assert "mmcv 2.1.0" in result.err
