"""Groups of commands that are built when somebody asks for them: `modelyard --help` names them, and waits for none."""

from collections.abc import Callable, MutableMapping
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

Declare = Callable[[typer.Typer], None]


def add_group(app: typer.Typer, name: str, declare: Declare, *, help: str, panel: str) -> None:
    """Add a group whose commands `declare` adds to a Typer, on first use."""

    class Group(TyperGroup):
        """Looks like any other group from outside."""

        @property
        def commands(self) -> MutableMapping[str, Any]:
            if not self._known:
                group = typer.Typer()
                group.callback()(_nothing)
                declare(group)
                self._known.update(getattr(get_command(group), "commands", {}))
            return self._known

        @commands.setter
        def commands(self, given: MutableMapping[str, Any]) -> None:
            self._known = dict(given)

    app.add_typer(typer.Typer(cls=Group, no_args_is_help=True, help=help), name=name, rich_help_panel=panel)


def _nothing() -> None:
    """Makes a Typer a group even if it has one command."""
