"""What every command has: the client in the project that was asked for, and how answers are shown."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from modelyard.cli.output import Output

if TYPE_CHECKING:
    from modelyard.sdk.client import Client


class Session:
    """One run of a command.

    Args:
        project: that the command is about.
        url: of the platform; empty: found as the Python client finds it.
        home: state directory of the platform on this machine.
        is_json: answers are for programs.
    """

    def __init__(self, *, project: str, url: str, home: Path | None, is_json: bool) -> None:
        self.project = project
        self.url = url
        self.home = home
        self.out = Output(is_json=is_json)

    @cached_property
    def client(self) -> "Client":
        """Made on first use: 0.5 s that help and completion do not wait for."""
        from modelyard.sdk.client import Client  # noqa: PLC0415

        return Client(self.url or None, None, self.project, home=self.home)

    def confirm(self, question: str, *, is_sure: bool) -> None:
        """Ask before something that cannot be undone; without a terminal, `--yes` must be given.

        Raises:
            typer.Exit: the answer was no.
        """
        if not is_sure and not typer.confirm(question, err=True):
            raise typer.Exit(1)

    def close(self) -> None:
        """Close the connections, if there are any."""
        client: Any = self.__dict__.get("client")
        if client is not None:
            client.close()
