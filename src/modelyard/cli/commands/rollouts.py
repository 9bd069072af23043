"""endpoints rollouts, approve, rollback, and the options of deploy that say how a version takes over."""

from typing import Annotated

import typer

from modelyard.cli.commands.scaling import milliseconds
from modelyard.cli.output import when
from modelyard.cli.session import Session
from modelyard.cli.suggestions import did_you_mean

Name = Annotated[str, typer.Argument(help="Name of the endpoint.")]
Strategy = Annotated[
    str | None,
    typer.Option(
        help="How it takes over: all_at_once (as if left out), blue_green, canary, linear, shadow or shadow_canary."
    ),
]
Share = Annotated[
    float | None, typer.Option(min=0, max=1, help="Of the requests, for a canary or copies: 0.1 if left out.")
]
StageTime = Annotated[
    float | None,
    typer.Option("--stage", parser=milliseconds, metavar="TIME", help="How long a stage lasts at least: 60s."),
]
StageRequests = Annotated[
    int | None, typer.Option("--stage-requests", min=0, help="How many requests each stage needs: 50.")
]
Approval = Annotated[bool, typer.Option("--approval", help="Wait for `endpoints approve` after the last stage.")]


def options(
    strategy: str | None, share: float | None, stage: float | None, requests: int | None, *, approval: bool
) -> dict[str, object] | None:
    """The options as the API takes them.

    Raises:
        typer.BadParameter: details of a rollout without a strategy.
    """
    details: dict[str, object] = {
        "share": share,
        "seconds": None if stage is None else stage / 1000,
        "requests": requests,
        "needs_approval": approval or None,
    }
    given = {name: value for name, value in details.items() if value is not None}
    if strategy is None and given:
        raise typer.BadParameter("--share, --stage, --stage-requests and --approval go with --rollout")
    return None if strategy is None else {"strategy": strategy, **given}


def rollouts(session: Session, name: Name) -> None:
    """Changes of an endpoint's variants, newest first."""
    with did_you_mean("endpoint", name, lambda: _names(session)):
        found = [*session.client.endpoints.rollouts(name)]
    session.out.table(
        found,
        {
            "Id": lambda rollout: rollout.id,
            "Status": lambda rollout: rollout.status,
            "From": lambda rollout: [f"{v.model}:{v.number}" for v in rollout.from_variants],
            "To": lambda rollout: [f"{v.model}:{v.number}" for v in rollout.to_variants],
            "Why": lambda rollout: rollout.reason,
            "Started": lambda rollout: when(rollout.started_at),
        },
        empty="Its variants never changed.",
    )


def approve(session: Session, name: Name) -> None:
    """Agree that the new version takes over once its stages are through."""
    with did_you_mean("endpoint", name, lambda: _names(session)):
        endpoint = session.client.endpoints.approve(name)
    session.out.done(endpoint, f"{name} {endpoint.status} {endpoint.reason}")


def rollback(session: Session, name: Name) -> None:
    """Go back: from a rollout under way at once, else to what was served before the last one."""
    with did_you_mean("endpoint", name, lambda: _names(session)):
        endpoint = session.client.endpoints.rollback(name)
    session.out.done(endpoint, f"{name} {endpoint.status} {endpoint.reason}")


def _names(session: Session) -> list[str]:
    return [endpoint.name for endpoint in session.client.endpoints.list()]
