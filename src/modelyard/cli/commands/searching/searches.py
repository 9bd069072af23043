"""What `tune` asks for: of an algorithm, or of a script."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from modelyard.cli.session import Session
from modelyard.cli.suggestions import did_you_mean
from modelyard.errors import InvalidInputError
from modelyard.types.signatures import Scalar
from modelyard.types.tuning.jobs import TuningJob
from modelyard.types.tuning.searches import Direction, Strategy


class NothingToTuneError(InvalidInputError):
    """Neither an algorithm with its data nor a script was named."""

    code = "nothing_to_tune"


class Wanted(TypedDict):
    """What both have in common, as the client takes it."""

    space: Mapping[str, Sequence[Scalar] | Mapping[str, Scalar]]
    model: str | None
    hyperparameters: Mapping[str, Scalar]
    strategy: Strategy
    max_trials: int
    parallel_trials: int
    time_limit_seconds: float | None
    early_stopping: Mapping[str, Scalar] | None
    warm_start: Sequence[str]
    population: int
    seed: int


@dataclass(frozen=True, slots=True)
class TunedScript:
    """A script, and what is looked for in it. A metric with a pattern is read from the output."""

    code: Path
    entry_point: str
    requirements: Path | None
    metrics: Sequence[str]
    objectives: Sequence[str]
    direction: Direction | None
    kept_trials: int

    @property
    def patterns(self) -> dict[str, str]:
        """Metric -> pattern, of those that have one."""
        parts = [metric.partition("=") for metric in self.metrics]
        return {name: regex for name, mark, regex in parts if mark}

    @property
    def wanted(self) -> list[dict[str, str]]:
        """The objectives: those named, else the first metric."""
        names = self.objectives or [metric.partition("=")[0] for metric in self.metrics[:1]]
        direction = {} if self.direction is None else {"direction": self.direction.value}
        return [{"metric": name, **direction} for name in names]


def start_algorithm(
    session: Session,
    search: Wanted,
    algorithm: str | None,
    data: str | None,
    *,
    target: str | None,
    objectives: Sequence[str],
) -> TuningJob:
    """Start the search for an algorithm's hyper-parameters.

    Raises:
        NothingToTuneError: there is no algorithm, or no data.
    """
    client = session.client
    if algorithm is None or data is None:
        raise NothingToTuneError(
            "There is no algorithm" if algorithm is None else f"There is no data for {algorithm} to learn from",
            hint="Write modelyard tune ALGORITHM --data DATASET ..., or modelyard tune --script FILE ...",
        )
    with (
        did_you_mean("algorithm", algorithm, lambda: [each.name for each in client.algorithms.list()]),
        did_you_mean("dataset", data.partition(":")[0], lambda: [each.name for each in client.datasets.list()]),
    ):
        return client.tuning.start(algorithm, data, target=target, objectives=objectives, **search)


def start_script(session: Session, search: Wanted, program: TunedScript, data: str | None) -> TuningJob:
    """Start the search for a script's hyper-parameters."""
    from modelyard.sdk.resources.compute.scripts import Program  # noqa: PLC0415 - help need not load the client

    code = Program(program.code, program.entry_point, requirements=program.requirements, metrics=program.patterns)
    return session.client.tuning.start_script(
        code, objectives=program.wanted, data=data, kept_trials=program.kept_trials, **search
    )
