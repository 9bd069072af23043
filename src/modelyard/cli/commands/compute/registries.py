"""registries login, logout, list: who this machine's platform is to registries of container images."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from modelyard.cli.command import command
from modelyard.cli.groups import add_group
from modelyard.cli.session import Session

if TYPE_CHECKING:
    from modelyard.settings import Settings

PANEL = "Platform"

Host = Annotated[
    str, typer.Argument(help="The registry; docker.io is Docker's own. With http:// in front if it has no TLS.")
]


def declare(app: typer.Typer) -> None:
    """Add the group."""
    add_group(app, "registries", _declare, help="Credentials for registries of container images.", panel=PANEL)


def _declare(group: typer.Typer) -> None:
    command(group, "login")(login)
    command(group, "logout")(logout)
    command(group, "list")(list_registries)


def login(
    session: Session,
    host: Host,
    username: Annotated[str, typer.Option(help="Name at the registry.")],
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input instead of asking for it.")
    ] = False,
) -> None:
    """Keep a name and a password for a registry, once it has accepted them. They stand in a file that is private."""
    from modelyard.engines.containers.registries import Registries, check_login  # noqa: PLC0415 - the server's side

    settings = _settings(session)
    password = sys.stdin.read().rstrip("\r\n") if password_stdin else typer.prompt("Password", hide_input=True)
    with session.out.waiting("Asking the registry"):
        check_login(settings.container_socket, host, username, password)
    Registries(settings.layout.registries).add(host, username, password)
    words = f"'{username}' is known at {host}; kept in {settings.layout.registries}."
    session.out.done({"registry": host, "username": username}, words)


def logout(session: Session, host: Host) -> None:
    """Forget the name and the password for a registry."""
    from modelyard.engines.containers.registries import Registries  # noqa: PLC0415 - see above

    was_there = Registries(_settings(session).layout.registries).remove(host)
    words = f"Forgot who we are at {host}." if was_there else f"Nothing was kept for {host}."
    session.out.done({"registry": host, "removed": was_there}, words)


def list_registries(session: Session) -> None:
    """The registries for which credentials are kept, and the names; no passwords."""
    from modelyard.engines.containers.registries import Registries  # noqa: PLC0415 - see above

    users = Registries(_settings(session).layout.registries).users()
    found = [{"registry": host, "username": name} for host, name in users.items()]
    columns = {"Registry": lambda one: one["registry"], "Name": lambda one: one["username"]}
    session.out.table(found, columns, empty="No credentials are kept.")


def _settings(session: Session) -> "Settings":
    from modelyard.settings import Settings  # noqa: PLC0415 - pydantic, which help does not wait for

    return Settings(home=session.home) if session.home else Settings()
