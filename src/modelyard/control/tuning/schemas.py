"""Request bodies of tuning jobs."""

from dataclasses import replace
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from modelyard.control.jobs.schemas import ChannelRequest, JobRequest
from modelyard.control.jobs.scripts.schemas import ProgramRequest
from modelyard.control.tuning.checking import direction_of
from modelyard.kit.metric_names import is_score
from modelyard.types.jobs import JobKind, JobRecipe
from modelyard.types.processes import Resources
from modelyard.types.signatures import Scalar
from modelyard.types.tuning.searches import (
    Constraint,
    Direction,
    EarlyStopping,
    Objective,
    Range,
    Search,
    StopRule,
    Strategy,
)


class RangeRequest(BaseModel):
    """Values to try: a list, or numbers from `low` to `high`."""

    model_config = ConfigDict(extra="forbid")

    values: list[Scalar] | None = Field(default=None, min_length=1, max_length=1000, description="One of these.")
    low: float | None = Field(default=None, allow_inf_nan=False, description="Smallest number.")
    high: float | None = Field(default=None, allow_inf_nan=False, description="Largest number.")
    log: bool = Field(default=False, description="As many between 0.01 and 0.1 as between 0.1 and 1.")
    step: float | None = Field(default=None, gt=0, allow_inf_nan=False, description="Distance of neighbouring values.")
    whole: bool = Field(default=False, description="Whole numbers only; known for algorithms.")

    @model_validator(mode="after")
    def _is_one_of_both(self) -> "RangeRequest":
        has_range = self.low is not None and self.high is not None
        if (self.values is None) != has_range or (self.values is not None and (self.low, self.high) != (None, None)):
            raise ValueError('give either "values", or "low" and "high"')
        return self

    def range(self) -> Range:
        """As plain data."""
        values = tuple(dict.fromkeys(self.values or ()))
        return Range(
            values=values,
            low=self.low or 0.0,
            high=self.high or 0.0,
            is_whole=self.whole,
            is_log=self.log,
            step=self.step,
        )


class ObjectiveRequest(BaseModel):
    """A figure of the trial's held-apart rows, or `seconds`."""

    model_config = ConfigDict(extra="forbid")

    metric: str = Field(description="Name of the figure.", examples=["accuracy"])
    direction: Direction | None = Field(default=None, description="Which way it is better; known for our own figures.")

    def objective(self) -> Objective:
        """As plain data."""
        return Objective(metric=self.metric, direction=self.direction or direction_of(self.metric))


class ConstraintRequest(BaseModel):
    """Bounds of a figure; a trial that breaks them is never the best."""

    model_config = ConfigDict(extra="forbid")

    metric: str = Field(description="Name of the figure.", examples=["seconds"])
    at_least: float | None = Field(default=None, allow_inf_nan=False, description="Smallest value that is allowed.")
    at_most: float | None = Field(default=None, allow_inf_nan=False, description="Largest value that is allowed.")

    @model_validator(mode="after")
    def _has_a_bound(self) -> "ConstraintRequest":
        if self.at_least is None and self.at_most is None:
            raise ValueError('give "at_least", "at_most", or both')
        return self

    def constraint(self) -> Constraint:
        """As plain data."""
        return Constraint(metric=self.metric, at_least=self.at_least, at_most=self.at_most)


class EarlyStoppingRequest(BaseModel):
    """End trials that are behind others at the same step."""

    model_config = ConfigDict(extra="forbid")

    rule: StopRule = Field(description="How they are compared.")
    metric: str = Field(
        default="validation_*",
        max_length=128,
        description="Live figure by step; * stands for anything.",
    )
    direction: Direction | None = Field(
        default=None, description="Which way it is better; larger for accuracies, else smaller, if left out."
    )
    warm_up_steps: int = Field(default=5, ge=1, le=100_000, description="First step at which trials are compared.")
    reduction: int = Field(default=3, ge=2, le=10, description="asha and hyperband let one of so many go on.")
    max_steps: int = Field(default=100, ge=1, le=1_000_000, description="Steps of a whole trial, for hyperband.")

    def stopping(self, algorithm: str) -> EarlyStopping:
        """As plain data."""
        rises = is_score(self.metric) or algorithm == "image-classification"
        return EarlyStopping(
            rule=self.rule,
            metric=self.metric,
            direction=self.direction or (Direction.MAXIMISE if rises else Direction.MINIMISE),
            warm_up_steps=self.warm_up_steps,
            reduction=self.reduction,
            max_steps=self.max_steps,
        )


class TuningJobRequest(JobRequest):
    """Look for the best hyper-parameters of a built-in algorithm, or of a script."""

    algorithm: str = Field(
        default="", description="Name of a built-in algorithm.", examples=["boosted-trees-classification"]
    )
    script: ProgramRequest | None = Field(default=None, description="A program of one's own in place of an algorithm.")
    channels: dict[str, ChannelRequest] = Field(
        default_factory=dict, max_length=50, description="Input data by role; a script may have none."
    )
    target: str | None = Field(default=None, description="Column to predict, for tables.")
    model: str | None = Field(
        default=None, description="Model that gets the best one as its next version; nothing is registered if left out."
    )
    space: Annotated[dict[str, RangeRequest], Field(max_length=32)] = Field(
        description="What to try, by hyper-parameter.",
        examples=[{"learning_rate": {"low": 0.01, "high": 0.3, "log": True}, "max_depth": {"low": 2, "high": 10}}],
    )
    hyperparameters: dict[str, Scalar] = Field(default_factory=dict, description="Those that all trials share.")
    objectives: list[ObjectiveRequest] = Field(
        default_factory=list, max_length=4, description="What to look for; the algorithm's own objective if left out."
    )
    constraints: list[ConstraintRequest] = Field(default_factory=list, max_length=8, description="What must hold.")
    strategy: Strategy = Field(default=Strategy.TPE, description="How the next values are chosen.")
    max_trials: int = Field(default=30, ge=1, le=1000, description="So many are tried.")
    parallel_trials: int = Field(default=2, ge=1, le=64, description="So many at the same time.")
    time_limit_seconds: float | None = Field(
        default=None, gt=0, description="After this no trial starts, and those that run are stopped."
    )
    early_stopping: EarlyStoppingRequest | None = Field(default=None, description="None: every trial runs to its end.")
    warm_start: list[str] = Field(
        default_factory=list,
        max_length=16,
        description="Tuning jobs whose trials count as if tried here.",
    )
    population: int = Field(default=5, ge=2, le=100, description="Trials of each generation, for pbt.")
    kept_trials: int | None = Field(
        default=5,
        ge=1,
        le=1000,
        description="Of a script: so many of the best trials keep their files, the others figures and logs; null: all.",
    )

    @model_validator(mode="after")
    def _is_algorithm_or_script(self) -> "TuningJobRequest":
        if bool(self.algorithm) == (self.script is not None):
            raise ValueError('give either "algorithm" or "script"')
        return self

    def search(self, limits: Resources) -> Search:
        """As plain data."""
        return Search(
            recipe=JobRecipe(
                algorithm=self.algorithm or JobKind.SCRIPT.value,
                script=None if self.script is None else self.script.program(),
                hyperparameters=self.hyperparameters,
                channels={role: channel.ref() for role, channel in self.channels.items()},
                target=self.target,
                seed=self.seed,
            ),
            model=self.model,
            space={name: each.range() for name, each in self.space.items()},
            objectives=tuple(each.objective() for each in self.objectives),
            constraints=tuple(each.constraint() for each in self.constraints),
            strategy=self.strategy,
            max_trials=self.max_trials,
            parallel_trials=self.parallel_trials,
            time_limit_seconds=self.time_limit_seconds,
            early_stopping=self._early_stopping(),
            warm_start=tuple(self.warm_start),
            population=self.population,
            kept_trials=self.kept_trials,
            resources=limits,
            placement=self.placement(),
        )

    def _early_stopping(self) -> EarlyStopping | None:
        """With nothing said, a script's trials are compared by the objective itself, which they log by step."""
        if self.early_stopping is None:
            return None
        stopping = self.early_stopping.stopping(self.algorithm)
        figures = [each.objective() for each in self.objectives]
        if self.script is not None:
            figures += [ObjectiveRequest(metric=each.name).objective() for each in self.script.metrics]
        if self.script is None or "metric" in self.early_stopping.model_fields_set or not figures:
            return stopping
        direction = self.early_stopping.direction or figures[0].direction
        return replace(stopping, metric=figures[0].metric, direction=direction)


class RegistrationRequest(BaseModel):
    """Train with a trial's hyper-parameters and register the model."""

    model_config = ConfigDict(extra="forbid")

    model: str = Field(description="Model that gets the new version; made if absent.", examples=["digits"])
