"""The program `modelyard`."""

import typer

from modelyard import __version__
from modelyard.cli.commands import (
    access,
    alerting,
    captures,
    datasets,
    models,
    monitoring,
    platform,
    retraining,
    serving,
    state,
    training,
)
from modelyard.cli.commands.aws import credentials
from modelyard.cli.commands.compute import cluster, costs, environments, queues, registries
from modelyard.cli.commands.mlflow import experiments
from modelyard.cli.commands.pipelines import pipelines
from modelyard.cli.commands.searching import automl, tuning


def build() -> typer.Typer:
    """The whole command line."""
    app = typer.Typer(
        name="modelyard",
        help="Machine learning as a service on your own machines: train, register, find, deploy, watch, retrain.",
        epilog="Start with: modelyard up",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    work = (datasets, models, training, tuning, automl, pipelines, experiments, queues, costs, environments)
    answering = (serving, captures, monitoring, alerting, retraining)
    for module in (platform, cluster, registries, state, *work, *answering, access, credentials):
        module.declare(app)
    return app


def main() -> None:
    """Entry point."""
    build()(prog_name="modelyard")


def _version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"modelyard {__version__}")
        raise typer.Exit


def _options(
    version: bool = typer.Option(False, "--version", help="Show the version.", is_eager=True, callback=_version),
) -> None:
    del version


if __name__ == "__main__":
    main()
