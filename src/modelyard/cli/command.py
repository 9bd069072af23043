"""How commands are declared: each gets a Session, the options that all share, and one way to report errors."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from modelyard import errors
from modelyard.cli.session import Session
from modelyard.server.exits import exit_code

_PANEL = "Options of every command"

INTERRUPTED = 130

_SHARED = {
    "project": Annotated[
        str, typer.Option(envvar="MODELYARD_PROJECT", help="Project to work in.", rich_help_panel=_PANEL)
    ],
    "url": Annotated[
        str,
        typer.Option(
            envvar="MODELYARD_URL", help="Address of the platform.", rich_help_panel=_PANEL, show_default=False
        ),
    ],
    "home": Annotated[
        Path | None,
        typer.Option(
            envvar="MODELYARD_HOME",
            help="State directory of the platform on this machine; ~/.modelyard if left out.",
            rich_help_panel=_PANEL,
        ),
    ],
    "json": Annotated[bool, typer.Option("--json", help="Answer with JSON, for programs.", rich_help_panel=_PANEL)],
}
_DEFAULTS: dict[str, Any] = {"project": "default", "url": "", "home": None, "json": False}


def command(
    group: typer.Typer, name: str, *, panel: str | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Declare a command of `group`; the function's first parameter is the Session, the rest are as in Typer."""

    def declare(function: Callable[..., None]) -> Callable[..., None]:
        own = [*inspect.signature(function, eval_str=True).parameters.values()][1:]
        shared = [
            inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=_DEFAULTS[key], annotation=annotation)
            for key, annotation in _SHARED.items()
        ]
        parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own] + shared

        def run(**values: Any) -> None:
            session = Session(
                project=values.pop("project"),
                url=values.pop("url"),
                home=values.pop("home"),
                is_json=values.pop("json"),
            )
            perform(session, lambda: function(session, **values))

        run.__doc__ = function.__doc__
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        group.command(name, rich_help_panel=panel)(run)
        return function

    return declare


def perform(session: Session, work: Callable[[], None]) -> None:
    """Run `work`; errors become a message with a next step and an exit code.

    Raises:
        typer.Exit: with the code of the error's family.
    """
    try:
        work()
    except errors.ModelyardError as error:
        session.out.error(error)
        raise typer.Exit(exit_code(error)) from None
    except KeyboardInterrupt:
        session.out.note("Interrupted. What runs on the platform goes on.")
        raise typer.Exit(INTERRUPTED) from None
    finally:
        session.close()
