"""The command as a whole: help, errors as text and JSON, exit codes, pipes and signals."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

import porter
from porter.cli import app, main
from porter.errors import PlanError
from porter.render.blocks import plain_lines
from porter.render.errors import problem, problem_blocks

from .conftest import Run

COMMANDS = {name: words for section in app.SECTIONS.values() for name, words in section.items()}
HEAVY = {"rich", "libcst", "git", "pypi_simple", "requests", "packaging", "tomllib", "json"}


def python(*arguments: str, cwd: Path | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(Path(porter.__file__).parent.parent)},
    )


def command_named(name: str) -> click.Command:
    command = app.porter.get_command(click.Context(app.porter), name)
    assert command is not None
    return command


def test_help_loads_no_command() -> None:
    code = "import sys; from porter.cli import main; main(['--help']); print(*sys.modules)"
    out, err = python("-c", code).communicate()
    assert err == ""
    loaded = set(out.splitlines()[-1].split())
    assert not loaded & HEAVY
    assert {name for name in loaded if name.startswith("porter")} == {
        "porter",
        "porter.cli",
        "porter.cli.app",
        "porter.cli.groups",
        "porter.errors",
    }


def test_help_fits_eighty_columns(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split()[0] for line in lines if line[2:].startswith(tuple(COMMANDS))] == [
        *COMMANDS
    ]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_says_of_each_command_what_the_command_says(name: str) -> None:
    assert command_named(name).get_short_help_str(200) == COMMANDS[name]


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_a_help_page(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "-h"]) == 0
    assert capsys.readouterr().out.startswith(f"Usage: porter {name}")


def test_every_option_is_explained() -> None:
    def commands(command: click.Command) -> list[click.Command]:
        inner = command.commands.values() if isinstance(command, click.Group) else []
        return [command, *(deeper for one in inner for deeper in commands(one))]

    options = [
        (command.name, option)
        for name in COMMANDS
        for command in commands(command_named(name))
        for option in command.params
        if isinstance(option, click.Option)
    ]
    assert len(options) > 50
    assert [(name, option.name) for name, option in options if not option.help] == []


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"porter {porter.__version__}\n"


@pytest.mark.parametrize("words", [[], ["targets"]], ids=["no command", "half a command"])
def test_without_a_command_the_help_page_is_shown(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert capsys.readouterr().err.startswith("Usage: porter")


WRONG_WORDS = {
    "a command mistyped": (
        ["aply"],
        "error: no command 'aply' in `porter`\nhint: Did you mean `apply`?\n",
    ),
    "a command like no other": (
        ["xyzzy"],
        f"error: no command 'xyzzy' in `porter`\nhint: Known: {', '.join(COMMANDS)}.\n",
    ),
    "a subcommand mistyped": (
        ["rules", "lst"],
        "error: no command 'lst' in `porter rules`\nhint: Did you mean `list`?\n",
    ),
    "an option mistyped": (
        ["status", "--inot", "x"],
        "error: no such option '--inot'. Did you mean '--into'?\nhint: See `porter status --help`.\n",
    ),
    "an option without its value": (
        ["status", "--into"],
        "error: option '--into' requires an argument.\nhint: See `porter --help`.\n",
    ),
    "a required option left away": (
        ["apply"],
        "error: missing option '--target'.\nhint: See `porter apply --help`.\n",
    ),
    "a value that is no choice": (
        ["schema", "rules"],
        "error: invalid value for 'rule|target': 'rules' is not one of 'rule', 'target'.\n"
        "hint: See `porter schema --help`.\n",
    ),
    "a folder that is a file": (
        ["status", "--into", __file__],
        f"error: invalid value for '--into': Directory '{__file__}' is a file.\n"
        "hint: See `porter status --help`.\n",
    ),
}


@pytest.mark.parametrize(("words", "message"), WRONG_WORDS.values(), ids=WRONG_WORDS.keys())
def test_wrong_words(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert without_signs(captured.err) == without_signs(message)


def without_signs(text: str) -> str:
    """Words alone: releases of click differ in quotes, colons and brackets."""
    return re.sub(r"[^\w\s`-]", "", text)


WRONG_NAMES = {
    "unknown target": (
        ("apply", "--target", "chp"),
        4,
        "error: no target 'chp'\nhint: Did you mean `chip`?",
    ),
    "unknown target to show": (("targets", "show", "chp"), 4, "error: no target 'chp'"),
    "unknown rule to make": (
        ("diff", "--target", "chip", "--rule", "mmcv/own-inputs"),
        2,
        "error: --rule mmcv/own-inputs: there is no such rule\nhint: Did you mean `mmcv/own-input`?",
    ),
    "unknown rule to make too": (
        ("diff", "--target", "chip", "--with-rule", "mmcv/own-inputs"),
        2,
        "error: --with-rule mmcv/own-inputs: no such rule\nhint: Did you mean `mmcv/own-input`?",
    ),
    "unknown rule to leave out": (
        ("diff", "--target", "chip", "--without-rule", "mmcv/own-inputs"),
        2,
        "error: --without-rule mmcv/own-inputs: there is no such rule",
    ),
    "unknown rule to show": (
        ("rules", "show", "mmcv/own-inputs"),
        2,
        "error: rule mmcv/own-inputs: no such rule\nhint: Did you mean `mmcv/own-input`?",
    ),
    "unknown rule to test": (
        ("rules", "test", "mmcv/own-inputs"),
        2,
        "error: rule mmcv/own-inputs: no such rule",
    ),
    "unknown package": (
        ("rules", "list", "--package", "mmcvv"),
        2,
        "error: --package mmcvv: no such package\nhint: Did you mean `mmcv`?",
    ),
    "a pin that is none": (
        ("apply", "--target", "chip", "--pin", "mmcv"),
        2,
        "error: --pin mmcv: not a pin",
    ),
    "a release that is not supported": (
        ("fetch", "--from", "archive", "--pin", "mmcv=97.0"),
        9,
        "error: mmcv 97.0 is not supported\nhint: Supported versions of mmcv: ",
    ),
    "nothing to fetch": (("fetch",), 2, "error: nothing to fetch"),
    "rules that are not there": (
        ("apply", "--target", "chip", "--rules", "nowhere"),
        3,
        "error: nowhere is not a folder",
    ),
}


@pytest.mark.parametrize(("words", "code", "message"), WRONG_NAMES.values(), ids=WRONG_NAMES.keys())
def test_wrong_names(run: Run, words: tuple[str, ...], code: int, message: str) -> None:
    result = run(*words)
    assert result.code == code
    assert result.out == ""
    assert result.err.startswith(message)


def test_under_json_an_error_is_a_document_too(run: Run) -> None:
    result = run("apply", "--target", "chp", "--json")
    assert result.code == 4
    assert result.err.startswith("error: no target 'chp'\n")
    error = result.json["error"]
    assert (error["kind"], error["message"]) == ("bad target", "no target 'chp'")
    assert (error["exit_code"], error["failures"]) == (4, [])
    assert error["hint"].startswith("Did you mean `chip`?")


def test_under_json_a_wrong_option_is_a_document_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--json", "--nothing"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["kind"] == "bad option"


def test_every_failure_of_a_plan_is_listed(run: Run, project: Path) -> None:
    for name in ("mmengine/available", "mmcv/own-input"):
        path = project / "rules" / f"{name}.toml"
        path.write_text(path.read_text().replace("[[edit]]", "[[edit]]\nexpect = 7", 1))
    result = run("diff", "--target", "chip", "--json")
    assert result.code == 5
    assert result.err.startswith("error: the plan does not hold: 2 failures\n  rule ")
    failures = result.json["error"]["failures"]
    assert [failure.split(",")[0] for failure in sorted(failures)] == [
        "rule mmcv/own-input",
        "rule mmengine/available",
    ]


def test_a_plans_only_failure_is_told_in_one_piece() -> None:
    blocks = problem_blocks(problem(PlanError(["rule a: missed\n    nearest: b"], hint="Look.")))
    assert list(plain_lines(blocks)) == ["error: rule a: missed", "    nearest: b", "hint: Look."]


@pytest.fixture
def broken_porter(monkeypatch: pytest.MonkeyPatch) -> None:
    """A porter with a bug in it."""

    def stumble() -> None:
        raise LookupError("two\nlines")

    monkeypatch.setattr("porter.cli.schema.rule_schema", stumble)


@pytest.mark.usefixtures("broken_porter")
def test_a_bug_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "rule"]) == 1
    assert capsys.readouterr().err == (
        "error: this is a bug in porter: LookupError: two (--debug shows where)\n"
    )


@pytest.mark.usefixtures("broken_porter")
@pytest.mark.parametrize(
    "words", [["--debug", "schema", "rule"], ["schema", "rule", "--debug"]], ids=["before", "after"]
)
def test_debug_shows_where_a_bug_is(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 1
    err = capsys.readouterr().err
    assert err.startswith("Traceback (most recent call last):\n")
    assert "in stumble" in err


def test_without_debug_no_mistake_of_a_user_shows_a_traceback(run: Run, project: Path) -> None:
    (project / "rules/mmcv/notice.toml").write_text("id = ")
    result = run("rules", "list")
    assert result.code == 3
    assert "Traceback" not in result.err
    assert result.err.startswith("error: rules/mmcv/notice.toml: not valid TOML")


def test_a_reader_that_stops_reading_is_no_error() -> None:
    with python("-m", "porter", "schema", "rule") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == app.BROKEN_PIPE


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes and POSIX signals")
def test_an_interrupt_is_one_line(project: Path) -> None:
    fifo = project / "rules/mmcv/waits.toml"
    os.mkfifo(fifo)
    # A shell's background job is deaf to interrupts, and would hand that on to its children.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = python("-m", "porter", "rules", "list", "--rules", "rules", cwd=project)
    signal.signal(signal.SIGINT, before)
    # Opening the pipe for writing succeeds once porter has opened it for reading.
    writer = os.open(fifo, os.O_WRONLY)
    try:
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    finally:
        os.close(writer)
        process.kill()
    assert process.returncode == app.INTERRUPTED
    assert (out, err) == ("", "error: interrupted; `porter status` tells how a folder stands\n")
