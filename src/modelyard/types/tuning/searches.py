"""What a tuning job looks for, and how."""

from dataclasses import dataclass, field
from enum import StrEnum

from modelyard.types.compute.scheduling import Placement
from modelyard.types.jobs import JobRecipe
from modelyard.types.processes import Resources
from modelyard.types.signatures import Scalar


class Strategy(StrEnum):
    """How the next hyper-parameters are chosen.

    GRID tries every combination, RANDOM draws, TPE and GP learn from the trials before (tree-structured Parzen
    estimator; Gaussian process), CMA_ES moves a normal distribution over numbers. PBT trains a population in
    generations: the worst go on from the checkpoints of the best, with hyper-parameters that differ a little.
    """

    GRID = "grid"
    RANDOM = "random"
    TPE = "tpe"
    GP = "gp"
    CMA_ES = "cma-es"
    PBT = "pbt"


class Direction(StrEnum):
    """Which values are better."""

    MAXIMISE = "maximise"
    MINIMISE = "minimise"


class StopRule(StrEnum):
    """When a trial is ended because others were better at the same step.

    MEDIAN: it is worse than half of them. ASHA: at growing steps only the best part goes on (asynchronous successive
    halving). HYPERBAND: several such contests at once, which begin at different steps.
    """

    MEDIAN = "median"
    ASHA = "asha"
    HYPERBAND = "hyperband"


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """What values a hyper-parameter may have: one of `values`, or a number from `low` to `high`, both included.

    Attributes:
        is_whole: whole numbers only.
        is_log: as many between 1 and 10 as between 10 and 100.
        step: distance of neighbouring values; a grid needs it for numbers that are not whole.
    """

    values: tuple[Scalar, ...] = ()
    low: float = 0.0
    high: float = 0.0
    is_whole: bool = False
    is_log: bool = False
    step: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """A figure of the finished trial, and which way it is better."""

    metric: str
    direction: Direction


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """Bounds of a figure of the finished trial. One that breaks them is never the best."""

    metric: str
    at_least: float | None = None
    at_most: float | None = None

    def excess(self, value: float) -> float:
        """By how much a value breaks the bounds; 0 or less: it keeps them."""
        low = -1.0 if self.at_least is None else self.at_least - value
        high = -1.0 if self.at_most is None else value - self.at_most
        return max(low, high)


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyStopping:
    """Which trials end early.

    Attributes:
        metric: a live figure that trials log by step.
        warm_up_steps: no trial is ended before; for ASHA and HYPERBAND the first step at which trials are compared.
        reduction: ASHA and HYPERBAND let one of so many go on, and compare again after so many times the steps.
        max_steps: a trial takes about so many; HYPERBAND plans its contests by it.
    """

    rule: StopRule
    metric: str
    direction: Direction
    warm_up_steps: int = 5
    reduction: int = 3
    max_steps: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningRules:
    """How a retraining run looks for hyper-parameters. With an empty space it takes those of the running version.

    Attributes:
        space: hyper-parameter -> what it may be.
        max_trials: so many are tried.
        parallel_trials: so many at the same time.
        time_limit_seconds: no trial starts later, and those that run are stopped.
    """

    space: dict[str, Range] = field(default_factory=dict, hash=False)
    strategy: Strategy = Strategy.TPE
    max_trials: int = 20
    parallel_trials: int = 1
    time_limit_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Everything that defines a tuning job.

    Attributes:
        recipe: of every trial; what the space names is put over its hyper-parameters.
        model: gets the best trial's model as its next version; None: nothing is registered.
        space: hyper-parameter -> what it may be.
        objectives: one, or several that are weighed by no formula: then there is a front and no single best.
        max_trials: so many are tried.
        parallel_trials: so many at the same time.
        time_limit_seconds: no trial starts later, and those that run are stopped.
        warm_start: ids of tuning jobs of the project whose trials count as if they had been tried here.
        population: trials of each generation, for PBT.
        kept_trials: of a script: so many of the best trials keep their files, the others their figures and logs alone;
            None: all do.
    """

    recipe: JobRecipe
    model: str | None
    space: dict[str, Range]
    objectives: tuple[Objective, ...]
    strategy: Strategy
    max_trials: int
    parallel_trials: int
    constraints: tuple[Constraint, ...] = ()
    early_stopping: EarlyStopping | None = None
    time_limit_seconds: float | None = None
    warm_start: tuple[str, ...] = ()
    population: int = 5
    kept_trials: int | None = None
    resources: Resources = field(default_factory=Resources)
    placement: Placement = field(default_factory=Placement)
