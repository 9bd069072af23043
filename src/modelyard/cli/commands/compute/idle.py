"""endpoints idle and warm, project idle-policy: endpoints that nobody asks."""

from typing import Annotated

import typer

from modelyard.cli.output import since
from modelyard.cli.session import Session
from modelyard.cli.suggestions import did_you_mean

_NEVER = 0.0


def idle(
    session: Session,
    hours: Annotated[float, typer.Option(min=0, help="Without a request for so long.")] = 24.0,
) -> None:
    """Endpoints that nobody asks, and what they cost a day meanwhile."""
    session.out.table(
        session.client.endpoints.idle(hours=hours),
        {
            "Name": lambda each: each.name,
            "Status": lambda each: each.status,
            "Last request": lambda each: since(each.last_request_at) or "never",
            "Idle hours": lambda each: f"{each.idle_hours:.1f}",
            "Replicas": lambda each: each.replicas,
            "Cost a day": lambda each: f"{each.cost_per_day:.5f} {each.currency}",
            "Stays warm": lambda each: "yes" if each.stays_warm else "",
        },
        empty="Every endpoint had a request in this time.",
    )


def warm(
    session: Session,
    name: Annotated[str, typer.Argument(help="Name of the endpoint.")],
    off: Annotated[bool, typer.Option("--off", help="Let the idle policy hold for it again.")] = False,
) -> None:
    """Keep an endpoint's replicas however long nobody asks, whatever the idle policy says."""
    client = session.client
    with did_you_mean("endpoint", name, lambda: [endpoint.name for endpoint in client.endpoints.list()]):
        endpoint = client.endpoints.update(name, stays_warm=not off)
    words = "stays warm" if endpoint.stays_warm else "follows the idle policy"
    session.out.done(endpoint, f"{name} {words}.")


def idle_policy(
    session: Session,
    name: Annotated[str, typer.Argument(help="Name of the project.")],
    after: Annotated[float | None, typer.Option(min=0, metavar="HOURS", help="Without a request for so long.")] = None,
    never: Annotated[bool, typer.Option("--never", help="Let none rest.")] = False,
) -> None:
    """End the replicas of endpoints that nobody asks; without an option as the platform has it.

    The next request brings them back.
    """
    if never and after is not None:
        raise typer.BadParameter("give --after or --never")
    wanted = _NEVER if never else after
    with did_you_mean("project", name, lambda: [project.name for project in session.client.projects.list()]):
        changed = session.client.projects.set_idle_after(name, wanted)
    session.out.done(changed, f"Project {name}: {idle_words(changed.idle_after_hours)}.")


def idle_words(hours: float | None) -> str:
    """An idle policy in words."""
    if hours is None:
        return "endpoints rest as the platform has it"
    return f"endpoints rest after {hours:g} h without a request" if hours else "endpoints never rest"
