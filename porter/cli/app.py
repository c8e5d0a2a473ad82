"""The command ``porter``, and the one place where errors become text and an exit code.

Standard error always gets the error as text. Under ``--json`` standard output always
gets exactly one JSON document: the result, or an object with the key ``error``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from porter import __version__
from porter.cli.groups import LazyGroup
from porter.errors import PorterError, UsageError, WriteError

if TYPE_CHECKING:
    from porter.render.errors import Problem

INTERRUPTED = 130
BROKEN_PIPE = 141
BUG = 1

SECTIONS = {
    "Port a tree": {
        "apply": "Port mmengine, mmcv and mmdet to a chip.",
        "diff": "Show what a port changes, as a unified diff.",
        "fetch": "Download and check the upstream releases a port starts from.",
    },
    "Look after a ported tree": {
        "status": "Tell which packages are clean, ported or edited by hand.",
        "explain": "Tell which rule is behind a line of a ported file, and why.",
        "revert": "Put the upstream bytes back.",
    },
    "See what porter knows": {
        "targets": "List and show the chips.",
        "rules": "List, show and test the rules.",
        "schema": "Print the JSON schema of rule files or target files.",
    },
}

EPILOG = """\b
Start with:
  porter diff --target sdaa --stat
  porter apply --target sdaa --into ./vendor

\b
Exit codes:
  0 done                 4 bad target file       8 the disk refused a write
  1 a bug in porter      5 the plan fails        9 unsupported version
  2 bad option           6 no pristine source   10 a rule's case fails
  3 bad rule file        7 tree not ready      130 interrupted
"""


@click.group(
    cls=LazyGroup,
    sections=SECTIONS,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 88},
)
@click.version_option(__version__, prog_name="porter", message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, expose_value=False, help="Show tracebacks of errors.")
def porter() -> None:
    """Port OpenMMLab's mmengine, mmcv and mmdet to chips that are not NVIDIA's.

    Every edit has a rule, and every rule has a reason and a test.
    """


@dataclass(frozen=True)
class Manner:
    """How to report errors; read from the bare arguments, as parsing may be what fails."""

    json: bool
    debug: bool

    @classmethod
    def of(cls, arguments: Sequence[str]) -> Manner:
        """What the arguments ask for."""
        return cls("--json" in arguments, "--debug" in arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run porter.

    Args:
        arguments: Without the program's name; those of the process by default.

    Returns:
        The exit code.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    manner = Manner.of(given)
    try:
        code = _run([argument for argument in given if argument != "--debug"])
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        _silence_output()
        return BROKEN_PIPE
    except (KeyboardInterrupt, click.Abort):
        message = "interrupted; `porter status` tells how a folder stands"
        return _report(_problem("interrupted", message, INTERRUPTED), manner)
    except Exception as error:  # the last resort: whatever it is, the user gets one line
        if manner.debug:
            _print_traceback()
        return _report(_as_problem(error), manner)


def _run(arguments: list[str]) -> int:
    if "_PORTER_COMPLETE" in os.environ:
        porter.main(arguments, prog_name="porter")
    try:
        with porter.make_context("porter", arguments) as context:
            return porter.invoke(context) or 0
    except click.exceptions.Exit as exit:
        return exit.exit_code
    except click.exceptions.NoArgsIsHelpError as help_page:
        help_page.show()
        return help_page.exit_code
    except click.UsageError as error:
        raise _usage_error(error) from error


def _usage_error(error: click.UsageError) -> UsageError:
    command = error.ctx.command_path if error.ctx else "porter"
    message = error.format_message()
    return UsageError(message[:1].lower() + message[1:], hint=f"See `{command} --help`.")


def _as_problem(error: Exception) -> Problem:
    from porter.render.errors import problem

    if isinstance(error, PorterError):
        return problem(error)
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return problem(WriteError(f"{where}{error.strerror or error}"))
    what = f"{type(error).__name__}: {error}".splitlines()[0]
    message = f"this is a bug in porter: {what} (--debug shows where)"
    return _problem("bug", message, BUG)


def _problem(kind: str, message: str, exit_code: int) -> Problem:
    from porter.render.errors import Problem

    return Problem(kind, message, "", exit_code)


def _report(found: Problem, manner: Manner) -> int:
    from porter.render.blocks import show
    from porter.render.errors import problem_blocks, problem_json

    if manner.json:
        click.echo(problem_json(found))
    show(problem_blocks(found), sys.stderr)
    return found.exit_code


def _print_traceback() -> None:
    import traceback

    traceback.print_exc()


def _silence_output() -> None:
    """Nobody reads standard output any more: keep the interpreter's last flush quiet."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
