"""``porter apply``, ``status`` and ``revert``, as a user runs them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from .conftest import CHECKOUTS, Run

ANSI = re.compile(r"\x1b\[[0-9;]*m")


def test_apply_tells_rules_skips_cost_and_what_is_next(run: Run, project: Path) -> None:
    result = run("apply", "--target", "chip")
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0] == "Ported for chip in vendor: mmcv 98.1, mmengine 99.0"
    assert "mmengine  mmengine/available      1      1" in lines
    assert "          3 rules" in result.out
    assert "mmcv/never: chip has the trait chip-test-device" in result.out
    assert re.search(r"2 files changed, 1 added; fetch [\d.]+ s, plan [\d.]+ s, write", result.out)
    assert lines[-1] == (
        "Next: pip install --no-build-isolation -e ./vendor/mmcv -e ./vendor/mmengine"
    )
    ops = (project / "vendor/mmcv/mmcv/ops.py").read_text()
    assert "    copied = x.clone()\n    kernel(copied,\n           1)\n" in ops


def test_applying_again_changes_nothing(run: Run, ported: Path) -> None:
    before = {path: path.read_bytes() for path in ported.rglob("*") if path.is_file()}
    result = run("apply", "--target", "chip")
    assert result.code == 0
    assert result.out.startswith("Already ported for chip by these rules, nothing to do in vendor")
    assert result.out.splitlines()[-1] == "Next: porter status --into vendor"
    after = {path: path.read_bytes() for path in ported.rglob("*") if path.is_file()}
    assert after == before


def test_a_port_in_place_offers_its_diff(run: Run, project: Path) -> None:
    for package in ("mmcv", "mmengine"):
        shutil.copytree(project / "checkouts" / package / package, project / "site" / package)
    result = run("apply", "--target", "chip", "--into", "site")
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines()[-1] == "Review: porter diff --target chip --into site"


def test_a_dry_run_writes_nothing(run: Run, project: Path) -> None:
    result = run("apply", "--target", "chip", "--dry-run")
    assert result.code == 0
    assert result.out.startswith("Dry run, nothing written. For chip, vendor would hold")
    assert result.out.splitlines()[-1] == "Review: porter diff --target chip"
    assert not (project / "vendor").exists()


def test_the_table_fits_eighty_columns(
    run: Run, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    result = run("apply", "--target", "chip")
    assert "\x1b[" in result.out
    assert max(len(line) for line in ANSI.sub("", result.out).splitlines()) <= 80


@pytest.mark.parametrize(
    ("options", "made"),
    [
        pytest.param(("--rule", "mmcv/own-input"), {"mmcv/own-input"}, id="only one rule"),
        pytest.param(
            ("--without-rule", "mmcv/own-input", "--without-rule", "mmcv/notice"),
            {"mmengine/available"},
            id="all but two",
        ),
        pytest.param(("--package", "mmengine"), {"mmengine/available"}, id="one package"),
    ],
)
def test_rules_and_packages_can_be_chosen(
    run: Run, options: tuple[str, ...], made: set[str]
) -> None:
    result = run("apply", "--target", "chip", "--json", *options)
    assert {row["rule"] for row in result.json["rules"]} == made


def test_an_optional_rule_is_made_beside_the_others(run: Run, project: Path) -> None:
    rule = project / "rules/mmcv/notice.toml"
    rule.write_text("optional = true\n" + rule.read_text())
    plain, asked = (
        run("apply", "--target", "chip", "--dry-run", "--json", *options)
        for options in ((), ("--with-rule", "mmcv/notice"))
    )
    made = {row["rule"] for row in plain.json["rules"]}
    assert made == {"mmengine/available", "mmcv/own-input"}
    assert {row["rule"] for row in asked.json["rules"]} == made | {"mmcv/notice"}
    reasons = {skip["rule"]: skip["reason"] for skip in plain.json["skips"]}
    assert reasons["mmcv/notice"] == "optional: ask for it with --with-rule"
    diff = run("diff", "--target", "chip", "--with-rule", "mmcv/notice", "--stat")
    assert "mmcv/ported.py" in diff.out


def test_apply_as_json(run: Run, project: Path) -> None:
    document = run("apply", "--target", "chip", "--json").json
    assert sorted(document) == [
        "changed_files",
        "finished",
        "merged",
        "new_files",
        "rules",
        "seconds",
        "skips",
        "status",
        "target",
        "versions",
    ]
    assert document["status"] == "ported"
    assert (document["changed_files"], document["new_files"]) == (2, 1)
    assert document["versions"] == {"mmcv": "98.1", "mmengine": "99.0"}
    assert document["rules"][0] == {
        "package": "mmcv",
        "rule": "mmcv/notice",
        "edits": 0,
        "files": 0,
        "new_files": 1,
    }
    never = [skip for skip in document["skips"] if skip["rule"] == "mmcv/never"]
    assert never == [
        {"rule": "mmcv/never", "package": "mmcv", "reason": "chip has the trait chip-test-device"}
    ]


def test_another_set_of_pins_and_a_single_pin(run: Run, project: Path) -> None:
    version = project / "checkouts/mmengine/mmengine/version.py"
    version.write_text("__version__ = '98.0'\n")
    by_set = run("apply", "--target", "chip", "--set", "old", "--into", "a", "--json").json
    by_pin = run(
        "apply", "--target", "chip", "--pin", "mmengine=98.0", "--into", "b", "--json"
    ).json
    assert by_set["versions"] == by_pin["versions"] == {"mmcv": "98.1", "mmengine": "98.0"}


def test_status_tells_ported_and_edited(run: Run, ported: Path) -> None:
    assert "ported for chip, 3 files by 3 rules" in run("status").out
    (ported / "mmcv/mmcv/ops.py").write_text("mine = 1\n")
    result = run("status")
    assert result.code == 0
    assert re.search(r"^mmcv +98\.1 +hand-edited", result.out, re.MULTILINE)
    assert re.search(r"^mmengine +99\.0 +ported", result.out, re.MULTILINE)
    assert "  mmcv/mmcv/ops.py" in result.out.splitlines()


def test_status_of_a_clean_folder(run: Run) -> None:
    result = run("status", "--into", "checkouts")
    assert result.out.startswith("checkouts: not ported\n")
    assert "apex" not in result.out


def test_status_as_json(run: Run, ported: Path) -> None:
    (ported / "mmcv/mmcv/ops.py").write_text("mine = 1\n")
    document = run("status", "--json").json
    assert sorted(document) == ["half_written", "packages", "stale", "stale_rules", "target"]
    states = {package["package"]: package for package in document["packages"]}
    assert document["target"] == "chip"
    assert states["mmcv"]["edited"] == ["mmcv/mmcv/ops.py"]
    assert states["mmengine"]["state"] == "ported"


def test_status_tells_when_the_rules_have_changed(run: Run, ported: Path, project: Path) -> None:
    rule = project / "rules/mmcv/notice.toml"
    rule.write_text(rule.read_text().replace("TARGET =", "CHIP ="))
    result = run("status")
    assert "changed or gone since: mmcv/notice." in result.out
    assert result.out.splitlines()[-1] == "Next: porter apply --target chip --into vendor"
    assert run("status", "--json").json["stale_rules"] == ["mmcv/notice"]


def test_status_of_nothing(run: Run) -> None:
    result = run("status", "--into", "nowhere")
    assert result.code == 7
    assert result.err == "error: nowhere is not there\nhint: Name a folder with --into.\n"


def test_revert_restores_every_byte(run: Run, ported: Path) -> None:
    result = run("revert")
    assert result.code == 0
    assert result.out == (
        "vendor is no longer ported for chip: 2 files restored, 1 added file removed.\n"
    )
    found = {
        path.relative_to(ported).as_posix(): path.read_text()
        for path in ported.rglob("*")
        if path.is_file()
    }
    assert found == CHECKOUTS


def test_revert_as_json(run: Run, ported: Path) -> None:
    document = run("revert", "--json").json
    assert document == {
        "target": "chip",
        "finished": False,
        "restored": ["mmcv/mmcv/ops.py", "mmengine/mmengine/device.py"],
        "removed": ["mmcv/mmcv/ported.py"],
        "merged": [],
    }


def test_edits_by_hand_are_refused_kept_or_lost(run: Run, ported: Path) -> None:
    ops = ported / "mmcv/mmcv/ops.py"
    ops.write_text(ops.read_text().replace("return y", "return y  # mine"))
    change = ("apply", "--target", "chip", "--without-rule", "mmcv/notice")
    refused = run(*change)
    assert refused.code == 7
    assert "mmcv/mmcv/ops.py" in refused.err
    kept = run(*change, "--keep-edits")
    assert kept.code == 0
    assert "Hand edits kept in 1 file\n  mmcv/mmcv/ops.py\n" in kept.out
    assert "# mine" in ops.read_text()
    assert run("revert", "--overwrite-edits").code == 0
    assert ops.read_text() == CHECKOUTS["mmcv/mmcv/ops.py"]


@pytest.mark.parametrize("command", ["apply", "revert"])
def test_edits_cannot_be_both_kept_and_lost(run: Run, command: str) -> None:
    target = ("--target", "chip") if command == "apply" else ()
    result = run(command, *target, "--keep-edits", "--overwrite-edits")
    assert result.code == 2
    assert result.err.startswith("error: --keep-edits and --overwrite-edits exclude each other")
