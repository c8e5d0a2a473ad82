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
    "Prove a port": {
        "verify": "Train the ported tree beside upstream, and say whether the port holds.",
        "train": "Train a model on the ported packages: full size, on your COCO folder.",
        "eval": "Evaluate a checkpoint on the ported packages.",
        "demo": "Show what a model of the ported packages finds in a picture.",
        "export-onnx": "Export a model of the ported mmdet 2.x to ONNX.",
        "models": "List and show the models to train.",
        "doctor": "Tell whether a port can be verified here, and what to install.",
        "sim": "Run Python on a simulated chip; write the synthetic data set.",
    },
    "See what is left": {
        "audit": "Find what in a tree still needs CUDA, and whether it matters.",
        "preflight": "Tell which operators a config needs, and where each would run.",
    },
    "Look after a ported tree": {
        "status": "Tell which packages are clean, ported or edited by hand.",
        "explain": "Tell which rule is behind a line of a ported file, and why.",
        "check": "Ask a ported tree for all that a port promises.",
        "upgrade": "Move a ported tree to other releases, with the edits made by hand.",
        "revert": "Put the upstream bytes back.",
        "export": "Hand a port on: a patch series, a git branch, or the changed files.",
    },
    "See what porter knows": {
        "targets": "List and show the chips.",
        "rules": "List, show and test the rules.",
        "matrix": "Look for every rule in every release of upstream's.",
        "schema": "Print the JSON schema of rule files or target files.",
    },
}

EPILOG = """\b
Start with:
  porter diff --target sdaa --stat
  porter apply --target sdaa --into ./vendor
  porter verify reppoints

\b
Exit codes:
  0 done                 6 no pristine source         12 check: promise broken
  1 a bug in porter      7 tree not ready             20 verify: fail
  2 bad option           8 the disk refused a write   21 verify: inconclusive
  3 bad rule file        9 unsupported version        22 could not run
  4 bad target file     10 a rule's case fails        23 audit: findings
  5 the plan fails      11 upgrade: conflicts        130 interrupted
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
        """What the arguments ask for; those after ``--`` are not porter's own."""
        own = _own(arguments)
        return cls("--json" in own, "--debug" in own)


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
        own = _own(given)
        rest = given[len(own) :]
        code = _run([*(argument for argument in own if argument != "--debug"), *rest])
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


def _own(arguments: Sequence[str]) -> Sequence[str]:
    return arguments[: arguments.index("--")] if "--" in arguments else arguments


def _run(arguments: list[str]) -> int:
    if "_PORTER_COMPLETE" in os.environ:
        porter.main(arguments, prog_name="porter")
    try:
        with porter.make_context("porter", list(arguments), obj=arguments) as context:
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
