"""What an AutoML job has found out so far: about the data, about what can be expected, about its candidates."""

from dataclasses import dataclass, field
from enum import StrEnum

from modelyard.types.signatures import Scalar


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnProfile:
    """One column.

    Attributes:
        name: of it.
        kind: number, category, text, boolean or datetime.
        missing_share: of the rows.
        distinct: different values, where they were counted.
        is_used: it is learnt from; texts, dates, constant and empty columns are not.
        power: how well this column alone tells the target on rows that it was not learnt from: 0 is no better than
            guessing, 1 is perfect.
        note: what was odd.
    """

    name: str
    kind: str
    missing_share: float
    distinct: int | None = None
    is_used: bool = True
    power: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesProfile:
    """What a table of time series holds.

    Attributes:
        series: how many.
        frequency: of all: "H", "15min", "D", "B" (working days), "W", "M", ..., or "steps" for a column of numbers.
        seasons: lengths in steps that a forecast can look at.
        window: last values that a forecast is made from.
        horizon: steps that are forecast.
        shortest: steps of the shortest series.
        longest: steps of the longest series.
        gaps: steps without a row.
        repeated: rows that have the time of another row of their series.
        constant: series that never change.
    """

    series: int
    frequency: str
    seasons: tuple[int, ...]
    window: int
    horizon: int
    shortest: int
    longest: int
    gaps: int
    repeated: int
    constant: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DataProfile:
    """What is in the table, and what to look at before a model of it is believed.

    Attributes:
        rows: with a target.
        held_out_rows: never used before the winner is measured on them.
        duplicate_rows: rows that repeat another one, the target included.
        conflicting_rows: rows that another one contradicts: same columns, another target.
        classes: name -> share of the rows; empty for numbers.
        target: minimum, median, mean, maximum and spread of a target of numbers.
        columns: all but the target.
        series: of a table of time series.
        leakage: columns that tell the target so well alone that they may have been filled in after the fact.
        warnings: sentences.
    """

    rows: int
    held_out_rows: int
    duplicate_rows: int
    conflicting_rows: int
    classes: dict[str, float] = field(default_factory=dict)
    target: dict[str, float] = field(default_factory=dict)
    columns: tuple[ColumnProfile, ...] = ()
    series: SeriesProfile | None = None
    leakage: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class Outlook(StrEnum):
    """GOOD: a simple model clearly beats guessing. WEAK: a little. NONE: not at all. TOO_SHORT: no time to say."""

    GOOD = "good"
    WEAK = "weak"
    NONE = "none"
    TOO_SHORT = "too-short"


@dataclass(frozen=True, slots=True, kw_only=True)
class Feasibility:
    """What can be expected, told before the budget is spent.

    Attributes:
        outlook: in a word.
        reason: in sentences.
        guess: score of a model that knows the target's distribution only; of forecasts the seasonal naive one.
        quick: score of a quick model, cross-validated.
        quick_on_half: the same on half of the rows: a score that still rises asks for more rows.
        seconds_per_candidate: what one takes, about.
        expected_candidates: so many fit into the budget, about.
    """

    outlook: Outlook
    reason: str
    guess: float | None = None
    quick: float | None = None
    quick_on_half: float | None = None
    seconds_per_candidate: float | None = None
    expected_candidates: int | None = None


class CandidateStatus(StrEnum):
    """COMPLETED, DROPPED (clearly behind on its first folds), OVERDUE (the time was over) or FAILED."""

    COMPLETED = "completed"
    DROPPED = "dropped"
    OVERDUE = "overdue"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A model that was tried.

    Attributes:
        number: from 0, in the order in which they were tried.
        algorithm: a built-in one, or "autogluon".
        hyperparameters: of it.
        source: who proposed it: "start", "built-in", "flaml", "autogluon" or "ensemble".
        status: how it went.
        score: the objective, the mean over the folds.
        score_error: standard error of that mean.
        folds: score of each fold.
        fit_seconds: of one fold, on average.
        latency_ms: one row through its ONNX form, on this machine.
        message: why it failed.
        is_deployable: False: it is there to compare with and never wins.
    """

    number: int
    algorithm: str
    hyperparameters: dict[str, Scalar]
    source: str
    status: CandidateStatus
    score: float | None = None
    score_error: float | None = None
    folds: tuple[float, ...] = ()
    fit_seconds: float | None = None
    latency_ms: float | None = None
    message: str = ""
    is_deployable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoMLReport:
    """Where an AutoML job stands.

    Attributes:
        task: "tabular-classification", "tabular-regression", "text-classification", "image-classification" or
            "forecasting".
        objective: the figure that decides.
        is_objective_maximised: larger is better.
        source: who proposes candidates.
        budget_seconds: that it may take.
        spent_seconds: that it has taken, earlier attempts included.
        profile: of the data.
        feasibility: what can be expected.
        folds: of the cross-validation.
        repetitions: the folds were dealt so often.
        candidates: in the order in which they were tried.
        winner: number of the candidate that was trained on all training rows and is registered.
        holdout: the winner's figures on the held-out rows.
        script: a Python program that trains the winner anew, to the byte.
    """

    task: str = ""
    objective: str = ""
    is_objective_maximised: bool = True
    source: str = ""
    budget_seconds: float = 0.0
    spent_seconds: float = 0.0
    profile: DataProfile | None = None
    feasibility: Feasibility | None = None
    folds: int = 0
    repetitions: int = 1
    candidates: tuple[Candidate, ...] = ()
    winner: int | None = None
    holdout: dict[str, float] = field(default_factory=dict)
    script: str = ""

    def leaderboard(self) -> tuple[Candidate, ...]:
        """Completed candidates, best first; of equal ones the quicker to answer. A winner without a score leads."""
        sign = -1.0 if self.is_objective_maximised else 1.0
        completed = [each for each in self.candidates if each.score is not None and each.status == "completed"]
        unscored = [each for each in self.candidates if each.number == self.winner and each.score is None]
        return (*unscored, *sorted(completed, key=lambda each: (sign * (each.score or 0.0), each.latency_ms or 0.0)))
