"""tune, tuning."""

from pathlib import Path
from typing import Annotated

import typer

from modelyard.cli.command import command
from modelyard.cli.commands.compute.options import Settings, Spans, read_settings, read_spans
from modelyard.cli.commands.searching.searches import TunedScript, Wanted, start_algorithm, start_script
from modelyard.cli.groups import add_group
from modelyard.cli.output import pairs, since, when
from modelyard.cli.session import Session
from modelyard.cli.suggestions import did_you_mean
from modelyard.types.tuning.jobs import Trial, TuningJob
from modelyard.types.tuning.searches import Direction, StopRule, Strategy

PANEL = "Training"
Id = Annotated[str, typer.Argument(help="Id of the tuning job.")]


def declare(app: typer.Typer) -> None:
    """Add the command and the group."""
    command(app, "tune", panel=PANEL)(tune)
    add_group(app, "tuning", _declare_tuning, help="Look at tuning jobs and their trials.", panel=PANEL)


def _declare_tuning(group: typer.Typer) -> None:
    command(group, "list")(list_tuning)
    command(group, "show")(show_tuning)
    command(group, "trials")(list_trials)
    command(group, "importances")(show_importances)
    command(group, "register")(register_trial)
    command(group, "stop")(stop_tuning)


def tune(
    session: Session,
    algorithm: Annotated[str | None, typer.Argument(help="A built-in algorithm: modelyard algorithms list")] = None,
    data: Annotated[str | None, typer.Option(help="Dataset to learn from: NAME or NAME:VERSION.")] = None,
    script: Annotated[Path | None, typer.Option(help="A Python file or folder of yours is tried instead.")] = None,
    entry_point: Annotated[str, typer.Option(help="File of the folder that is run.")] = "",
    requirements: Annotated[Path | None, typer.Option(help="Requirements file of the script.")] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME[=REGEX]", help="Figure of the script to look for; with a pattern if it prints it."),
    ] = None,
    direction: Annotated[
        Direction | None, typer.Option(help="Which way it is better; by its name if left out.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Model that gets the best one as its next version.")] = None,
    target: Annotated[str | None, typer.Option(help="Column to predict, for tables.")] = None,
    try_: Spans = None,
    set_: Settings = None,
    objective: Annotated[
        list[str] | None, typer.Option(help="Figure to look for, or 'seconds'; several give a front.")
    ] = None,
    strategy: Annotated[Strategy, typer.Option(help="How the next values are chosen.")] = Strategy.TPE,
    trials: Annotated[int, typer.Option(min=1, help="So many are tried.")] = 30,
    parallel: Annotated[int, typer.Option(min=1, help="So many at the same time.")] = 2,
    time_limit: Annotated[float | None, typer.Option(metavar="SECONDS", help="After this no trial starts.")] = None,
    stop_early: Annotated[StopRule | None, typer.Option(help="End trials that are behind others.")] = None,
    warm_start: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Tuning job whose trials count here too; may be repeated.")
    ] = None,
    population: Annotated[int, typer.Option(min=2, help="Trials of each generation, for pbt.")] = 5,
    keep: Annotated[int, typer.Option(min=1, help="So many of a script's best trials keep their files.")] = 5,
    seed: Annotated[int, typer.Option(help="Seeds every random choice.")] = 0,
    wait: Annotated[bool, typer.Option(help="Wait until it has ended.")] = True,
) -> None:
    """Look for the best hyper-parameters of an algorithm or a script, and register the best model."""
    search = Wanted(
        space=read_spans(try_),
        model=model,
        hyperparameters=read_settings(set_),
        strategy=strategy,
        max_trials=trials,
        parallel_trials=parallel,
        time_limit_seconds=time_limit,
        early_stopping=None if stop_early is None else {"rule": stop_early.value},
        warm_start=warm_start or (),
        population=population,
        seed=seed,
    )
    if script is not None:
        program = TunedScript(script, entry_point, requirements, metric or [], objective or [], direction, keep)
        tuning = start_script(session, search, program, data)
    else:
        tuning = start_algorithm(session, search, algorithm, data, target=target, objectives=objective or [])
    session.out.note(f"Tuning job {tuning.id}. Its trials: modelyard tuning trials {tuning.id}")
    if wait:
        with session.out.waiting(f"Tuning {tuning.id}") as say:
            tuning = session.client.tuning.wait(tuning.id, on_look=lambda look: say(_standing(look)))
    made = tuning.result.get("model_version", "")
    session.out.done(tuning, f"Registered {made}  {_standing(tuning)}" if made else f"{tuning.id} {_standing(tuning)}")


def list_tuning(session: Session) -> None:
    """Tuning jobs, newest first."""
    session.out.table(
        session.client.tuning.list(),
        {
            "Id": lambda tuning: tuning.id,
            "Algorithm": lambda tuning: tuning.search.recipe.algorithm,
            "Model": lambda tuning: tuning.result.get("model_version") or tuning.search.model,
            "Status": lambda tuning: tuning.status,
            "Trials": lambda tuning: sum(tuning.counts.values()),
            "Best": lambda tuning: _figures(tuning, tuning.best),
            "Made": lambda tuning: since(tuning.created_at),
        },
        empty="There are no tuning jobs yet. Start one: modelyard tune ALGORITHM --data DATASET --try NAME=LOW..HIGH",
    )


def show_tuning(session: Session, id: Id) -> None:
    """A tuning job: what it looks for, where it stands, what is best."""
    with did_you_mean("tuning job", id, lambda: _ids(session)):
        tuning = session.client.tuning.get(id)
    search = tuning.search
    fields = {
        "Tuning job": tuning.id,
        "Status": tuning.status,
        "Why": tuning.message,
        "Algorithm": search.recipe.algorithm,
        "Looks for": [f"{each.direction} {each.metric}" for each in search.objectives],
        "Strategy": search.strategy,
        "Trials": pairs(tuning.counts),
        "Best": _figures(tuning, tuning.best),
        "Its hyper-parameters": pairs(tuning.best.hyperparameters) if tuning.best else "",
        "Front": [str(number) for number in tuning.front],
        "Result": pairs(tuning.result),
        "Ended": when(tuning.ended_at),
        "By": tuning.created_by,
    }
    session.out.record(tuning, fields)


def list_trials(session: Session, id: Id) -> None:
    """Trials of a tuning job, in the order in which they began."""
    with did_you_mean("tuning job", id, lambda: _ids(session)):
        tuning = session.client.tuning.get(id)
    session.out.table(
        session.client.tuning.trials(id),
        {
            "Trial": lambda trial: trial.number,
            "Status": lambda trial: trial.status if trial.is_feasible else f"{trial.status}, breaks a constraint",
            "Hyper-parameters": lambda trial: pairs(trial.hyperparameters),
            "Figures": lambda trial: trial.message or _figures(tuning, trial),
            "Goes on from": lambda trial: "" if trial.parent is None else trial.parent,
            "Job": lambda trial: trial.job,
        },
        empty="No trial has begun yet.",
    )


def show_importances(session: Session, id: Id) -> None:
    """Which hyper-parameters matter: the share of each objective's variance that each explains."""
    with did_you_mean("tuning job", id, lambda: _ids(session)):
        found = session.client.tuning.importances(id)
    rows = [(metric, name, share) for metric, shares in found.items() for name, share in shares.items()]
    session.out.table(
        rows,
        {"Objective": lambda row: row[0], "Hyper-parameter": lambda row: row[1], "Share": lambda row: f"{row[2]:.0%}"},
        empty="Too few trials have completed to say.",
    )


def register_trial(
    session: Session,
    id: Id,
    trial: Annotated[int, typer.Argument(help="Number of the trial.")],
    model: Annotated[str, typer.Option(help="Model that gets the new version; made if absent.")],
) -> None:
    """Train with the hyper-parameters of a trial, and register the model."""
    with did_you_mean("tuning job", id, lambda: _ids(session)):
        job = session.client.tuning.register(id, trial, model)
    with session.out.waiting(f"Job {job.id}") as say:
        job = session.client.jobs.wait(job.id, on_look=lambda look: say(look.status))
    session.out.done(job, f"Registered {job.result.get('model_version', '')}  {pairs(job.metrics)}")


def stop_tuning(session: Session, id: Id) -> None:
    """Ask a tuning job to stop."""
    with did_you_mean("tuning job", id, lambda: _ids(session)):
        tuning = session.client.tuning.stop(id)
    session.out.done(tuning, f"{tuning.id} is {tuning.status}")


def _standing(tuning: TuningJob) -> str:
    return f"{tuning.status} {pairs(tuning.counts)}  {_figures(tuning, tuning.best)}".strip()


def _figures(tuning: TuningJob, trial: Trial | None) -> str:
    """A trial's objectives."""
    if trial is None:
        return ""
    metrics = [each.metric for each in tuning.search.objectives]
    return pairs({metric: trial.values[metric] for metric in metrics if metric in trial.values})


def _ids(session: Session) -> list[str]:
    return [tuning.id for tuning in session.client.tuning.list()]
