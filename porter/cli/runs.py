"""Options that the commands share which train: where, with how many processes, in which Python."""

from __future__ import annotations

import ast
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from porter.cli.options import FOLDER, Decorator, bundle
from porter.errors import UsageError
from porter.model import Target
from porter.rulebook.catalog import get_target, load_targets
from porter.verify.launch.process import Ranks
from porter.verify.request import Device

DEVICES = ("auto", "real", "sim", "cpu")


@dataclass(frozen=True)
class Where:
    """On what the ported tree trains."""

    target_name: str
    targets: tuple[Path, ...]
    device: Device
    python: Path

    def known(self) -> dict[str, Target]:
        """All targets by name."""
        return load_targets(self.targets)

    def target(self) -> Target | None:
        """The target that was asked for; None if it is to be taken from the folder's manifest."""
        return get_target(self.target_name, self.targets) if self.target_name else None


@dataclass(frozen=True)
class OnHost:
    """With what the ported tree runs on the host."""

    target_name: str
    targets: tuple[Path, ...]
    python: Path

    def where(self) -> Where:
        """The same, as a place."""
        return Where(self.target_name, self.targets, "cpu", self.python)


@dataclass(frozen=True)
class Machines:
    """How many processes, on which machines; torchrun's own words."""

    nproc: int
    nnodes: int
    node_rank: int
    master_addr: str
    master_port: int

    def ranks(self) -> Ranks:
        """The same, checked.

        Raises:
            UsageError: If the options contradict each other.
        """
        if self.node_rank >= self.nnodes:
            raise UsageError(
                f"--node-rank {self.node_rank}: there are {self.nnodes} nodes, counted from 0"
            )
        if self.nnodes > 1 and not self.master_addr:
            raise UsageError(
                f"--nnodes {self.nnodes}: the nodes have to find each other",
                hint="Give every node the address of node 0 with --master-addr.",
            )
        return Ranks(self.nproc, self.nnodes, self.node_rank, self.master_addr, self.master_port)


_target = click.option(
    "--target",
    "target_name",
    default="",
    metavar="NAME",
    help="The chip; the one that the folder was ported to if not given.",
)
_targets = click.option(
    "--targets",
    type=FOLDER,
    multiple=True,
    metavar="DIR",
    help="Read more targets from a folder; repeatable.",
)


def _python(does: str) -> Decorator[Any]:
    return click.option(
        "--python",
        type=click.Path(path_type=Path),
        default=Path(sys.executable),
        metavar="PATH",
        help=f"The Python that {does}; porter's own if not given.",
    )


where_options = bundle(
    "where",
    Where,
    _target,
    _targets,
    click.option(
        "--device",
        type=click.Choice(DEVICES),
        default="auto",
        show_default=True,
        help="The chip, the simulated chip, or the host; auto takes the first there is.",
    ),
    _python("trains, with torch and what mmdet needs"),
)

#: For what runs on the host wherever there is a chip.
host_options = bundle(
    "host", OnHost, _target, _targets, _python("exports, with torch, onnx and onnxruntime")
)

machine_options = bundle(
    "machines",
    Machines,
    click.option(
        "--nproc",
        type=click.IntRange(1),
        default=1,
        metavar="N",
        show_default=True,
        help="Processes on this machine, one a device.",
    ),
    click.option("--nnodes", type=click.IntRange(1), default=1, metavar="N", help="Machines."),
    click.option(
        "--node-rank", type=click.IntRange(0), default=0, metavar="N", help="Which one this is."
    ),
    click.option("--master-addr", default="", metavar="HOST", help="The address of node 0."),
    click.option(
        "--master-port",
        type=click.IntRange(0, 65535),
        default=0,
        metavar="PORT",
        help="Its port; a free one on one machine, else 29500.",
    ),
)

amp_option = click.option("--amp", is_flag=True, help="Automatic mixed precision on the device.")


def positive(name: str, metavar: str, help: str) -> Decorator[Any]:
    """An option whose value is a positive whole number, or not given."""
    return click.option(name, type=click.IntRange(1), default=None, metavar=metavar, help=help)


def repeat_command() -> str:
    """How the user called porter, as a line for a shell."""
    given: Sequence[str] = click.get_current_context().find_root().obj or ()
    return shlex.join(["porter", *given])


def dotted_options(texts: Sequence[str]) -> dict[str, object]:
    """``model.neck.num_outs=5`` as a dotted key and a value, as mmengine's ``--cfg-options``.

    Raises:
        UsageError: If a text is no such pair.
    """
    return dict(_dotted_option(text) for text in texts)


def _dotted_option(text: str) -> tuple[str, object]:
    key, equals, value = text.partition("=")
    if not (equals and key.strip()):
        raise UsageError(
            f"{text}: not an option of the config",
            hint="After -- write KEY=VALUE, such as model.neck.num_outs=5.",
        )
    return key.strip(), _value(value.strip())


def _value(text: str) -> object:
    """Numbers, booleans, lists and quoted text as Python has them; anything else is text."""
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return {"true": True, "false": False}.get(text, text)
