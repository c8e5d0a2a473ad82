"""Groups of commands that are imported only when called, and that suggest near names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import Any

import click

from porter.errors import UsageError

Sections = Mapping[str, Mapping[str, str]]


def near(name: str, known: Sequence[str]) -> str:
    """A sentence that suggests what was meant, or lists what there is."""
    close = get_close_matches(name, known, n=1)
    if close:
        return f"Did you mean `{close[0]}`?"
    return f"Known: {', '.join(known)}." if known else ""


class Group(click.Group):
    """A group that answers an unknown command with the nearest known ones."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the first argument names."""
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            raise UsageError(
                f"no command {name!r} in `{ctx.command_path}`",
                hint=near(name, self.list_commands(ctx)),
            )
        return super().resolve_command(ctx, args)


class LazyGroup(Group):
    """A group that knows its commands by name and one line of help each.

    ``--help`` needs no more than that, so no command is imported for it. The command
    ``name`` is the attribute ``command`` of the module ``porter.cli.<name>``.
    """

    def __init__(self, *args: Any, sections: Sections, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.sections = sections

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order of the help page."""
        return [name for section in self.sections.values() for name in section]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in self.list_commands(ctx):
            return None
        command: click.Command = import_module(f"porter.cli.{cmd_name.replace('-', '_')}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands by section, without importing one."""
        width = max(map(len, self.list_commands(ctx)))
        for title, commands in self.sections.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), help) for name, help in commands.items()])
