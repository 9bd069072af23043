"""costs and budgets."""

from dataclasses import asdict, fields
from datetime import datetime
from typing import Annotated

import typer

from modelyard.cli.command import command
from modelyard.cli.groups import add_group
from modelyard.cli.output import when
from modelyard.cli.session import Session
from modelyard.types.compute.costs import Budget, CostGroup, Prices

PANEL = "Compute"
_DAY = ["%Y-%m-%d"]


def declare(app: typer.Typer) -> None:
    """Add the groups."""
    add_group(app, "costs", _declare_costs, help="What jobs, endpoints and stored data use and cost.", panel=PANEL)
    add_group(app, "budgets", _declare_budgets, help="What a project may spend in a month.", panel=PANEL)


def _declare_costs(group: typer.Typer) -> None:
    command(group, "list")(list_costs)
    command(group, "prices")(list_prices)
    command(group, "set-prices")(set_prices)


def _declare_budgets(group: typer.Typer) -> None:
    command(group, "list")(list_budgets)
    command(group, "show")(show_budget)
    command(group, "set")(set_budget)
    command(group, "delete")(delete_budget)


def list_costs(
    session: Session,
    by: Annotated[CostGroup, typer.Option(help="What is added up.")] = CostGroup.PROJECT,
    since: Annotated[datetime | None, typer.Option(formats=_DAY, help="First day (UTC); else of this month.")] = None,
    until: Annotated[datetime | None, typer.Option(formats=_DAY, help="Last day; today if left out.")] = None,
    every_project: Annotated[bool, typer.Option("--every-project", help="Not only of this project.")] = False,
) -> None:
    """What was used and what it cost, the dearest first."""
    found = session.client.costs.list(
        by,
        since=since.date() if since else None,
        until=until.date() if until else None,
        every_project=every_project,
    )
    session.out.table(
        found,
        {
            by.capitalize(): lambda each: each.name,
            "CPU s": lambda each: f"{each.cpu_seconds:.2f}",
            "GiB h": lambda each: f"{each.memory_gib_seconds / 3600:.4f}",
            "GPU s": lambda each: f"{each.gpu_seconds:.0f}",
            "Stored GiB h": lambda each: f"{each.storage_gib_hours:.4f}",
            "Traffic MiB": lambda each: f"{(each.bytes_in + each.bytes_out) / (1 << 20):.2f}",
            "Predictions": lambda each: each.predictions or "",
            "kWh (estimate)": lambda each: f"{each.energy_kwh:.5f}",
            "Cost": lambda each: f"{each.cost:.5f} {each.currency}",
            "per 1,000": lambda each: "" if each.cost_per_thousand is None else f"{each.cost_per_thousand:.5f}",
        },
        empty="Nothing was used in this time.",
    )


def list_prices(session: Session) -> None:
    """Every price list there was, newest first; the first is in force."""
    session.out.table(
        session.client.costs.price_lists(),
        {
            "From": lambda each: when(each.effective_at),
            "Core hour": lambda each: each.prices.cpu_hour,
            "GiB hour": lambda each: each.prices.memory_gib_hour,
            "GPU hour": lambda each: each.prices.gpu_hour,
            "Spot": lambda each: f"x {each.prices.spot_factor:g}",
            "Reserved": lambda each: f"x {each.prices.reserved_factor:g}",
            "Stored GiB month": lambda each: each.prices.storage_gib_month,
            "Traffic GiB": lambda each: each.prices.traffic_gib,
            "Currency": lambda each: each.prices.currency,
            "By": lambda each: each.created_by,
        },
        empty="There are no prices.",
    )


def set_prices(
    session: Session,
    cpu_hour: Annotated[float | None, typer.Option(help="Of one core that computes.")] = None,
    memory_gib_hour: Annotated[float | None, typer.Option(help="Of one GiB that is held.")] = None,
    gpu_hour: Annotated[float | None, typer.Option(help="Of one GPU that is held.")] = None,
    spot_factor: Annotated[float | None, typer.Option(help="Spot jobs cost this part of it.")] = None,
    reserved_factor: Annotated[
        float | None, typer.Option(help="Reserved capacity costs this part, used or not.")
    ] = None,
    storage_gib_month: Annotated[float | None, typer.Option(help="Of one GiB that is stored.")] = None,
    traffic_gib: Annotated[float | None, typer.Option(help="Of one GiB through the gateway.")] = None,
    currency: Annotated[str | None, typer.Option(help="For people; nothing is converted.")] = None,
    watts_per_core: Annotated[float | None, typer.Option(help="Of one computing core.")] = None,
    watts_per_gib: Annotated[float | None, typer.Option(help="Of one GiB that is held.")] = None,
) -> None:
    """Set prices from now on; what is left out stays, and so does what was used before."""
    given = {
        "cpu_hour": cpu_hour,
        "memory_gib_hour": memory_gib_hour,
        "gpu_hour": gpu_hour,
        "spot_factor": spot_factor,
        "reserved_factor": reserved_factor,
        "storage_gib_month": storage_gib_month,
        "traffic_gib": traffic_gib,
        "currency": currency,
        "watts_per_core": watts_per_core,
        "watts_per_gib": watts_per_gib,
    }
    newest = next(iter(session.client.costs.price_lists()))
    known = {**asdict(newest.prices), **{name: value for name, value in given.items() if value is not None}}
    wanted = Prices(**known)
    made = session.client.costs.set_prices(wanted)
    session.out.done(made, f"Prices from now on: {_words(made.prices)}.")


def list_budgets(session: Session) -> None:
    """Every project's budget, and what is spent of it in this month."""
    session.out.table(
        session.client.costs.budgets(),
        {
            "Project": lambda each: each.project,
            "State": lambda each: each.state,
            "Spent": lambda each: f"{each.spent:.5f}",
            "Of": lambda each: f"{each.amount:g}",
        },
        empty="No project has a budget.",
    )


def show_budget(session: Session) -> None:
    """The project's budget, and what is spent of it in this month."""
    budget: Budget = session.client.costs.budget()
    session.out.record(
        budget,
        {
            "Project": budget.project,
            "State": budget.state,
            "Spent": f"{budget.spent:.5f} of {budget.amount:g} since {budget.month.isoformat()}",
            "Alert from": f"{budget.alert_share:.0%}",
            "Alert since": when(budget.alerted_at),
            "When spent": "jobs are stopped, new ones refused" if budget.stops else "there is an alert",
        },
    )


def set_budget(
    session: Session,
    amount: Annotated[float, typer.Argument(help="In the currency of the prices.")],
    alert_share: Annotated[float, typer.Option(help="Part of it from which on there is an alert.")] = 0.8,
    stops: Annotated[bool, typer.Option("--stops", help="Once spent, stop jobs and refuse new ones.")] = False,
) -> None:
    """Limit what the project may spend in a month."""
    budget = session.client.costs.set_budget(amount, alert_share=alert_share, stops=stops)
    session.out.done(budget, f"Project {budget.project} may spend {budget.amount:g} a month; spent {budget.spent:.5f}.")


def delete_budget(session: Session) -> None:
    """Let the project spend without limit."""
    session.client.costs.delete_budget()
    session.out.done({"deleted": session.client.project}, "There is no budget any more.")


def _words(prices: Prices) -> str:
    return ", ".join(f"{field.name.replace('_', ' ')} {getattr(prices, field.name)}" for field in fields(prices))
