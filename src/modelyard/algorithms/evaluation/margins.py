"""Is one model better than another by a margin? One-sided tests on answers to the same rows, and the rows they need.

Two kinds of evidence, one contract: `PairedRights` (classifiers: rows that only one of both answered rightly) and
`PairedErrors` (regressors: moments of the squared errors). Both are plain numbers, so that a job can hand them over in
its figures and whoever asks can test any margin.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from statistics import NormalDist
from typing import Protocol

POWER = 0.8
"""`rows_needed` finds what is there with this probability."""

_LEAST_DISTANCE = 1e-4
"""Of a gain from the margin, in standard deviations: nearer, no number of rows that anybody has would show it."""

_NORMAL = NormalDist()


class Paired(Protocol):
    """Evidence about a second model beside a first: gains are differences of shares, or shares of the first's RMSE."""

    @property
    def rows(self) -> int:
        """Rows that both have answered."""

    @property
    def gain(self) -> float:
        """By how much the second is better in these rows."""

    def p_value(self, margin: float) -> float:
        """How likely such a gain is if the true one were `margin` or less; a negative margin allows for a loss."""

    def p_value_of_loss(self, bound: float) -> float:
        """How likely what is seen is if the second model were worse by `bound` (0 or more) at most."""

    def rows_needed(self, margin: float, level: float) -> int | None:
        """Rows with which a gain as seen would show with probability POWER; None if it is hardly above `margin`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedRights:
    """Rows answered rightly by the second model alone (`gained`) and by the first alone (`lost`)."""

    rows: int
    gained: int
    lost: int

    @property
    def gain(self) -> float:
        """Difference of the accuracies."""
        return (self.gained - self.lost) / self.rows

    def p_value(self, margin: float) -> float:
        """Score test of a difference of paired shares; for margins from 0 on, no smaller than the exact sign test's.

        Source: T. Tango, "Equivalence test and confidence interval for the difference in proportions for the
        paired-sample design", Statistics in Medicine 17, 1998.
        """
        if margin >= 1:
            return 1.0
        if margin <= -1:
            return 0.0 if self.gain > -1 else 1.0
        score = 1.0 - _NORMAL.cdf(self._score(margin))
        return max(score, sign_p_value(self.gained, self.lost)) if margin >= 0 else score

    def p_value_of_loss(self, bound: float) -> float:
        """The same tests the other way round, so that small slices may ask, too."""
        score = _NORMAL.cdf(self._score(-bound)) if 0 < bound < 1 else float(bound >= 1)
        return max(score, sign_p_value(self.lost, self.gained))

    def rows_needed(self, margin: float, level: float) -> int | None:
        """From the share of rows on which the two differ, as seen."""
        if self.gain <= margin:
            return None
        # One more row of each kind: a handful of rows that all agree does not prove that none will ever differ.
        differing = (self.gained + self.lost + 1) / (self.rows + 1)
        return _rows_needed(differing - self.gain**2, self.gain - margin, level)

    def _score(self, margin: float) -> float:
        # The share that the first alone gets right, most likely under a true difference of `margin`.
        b = -self.gained - self.lost + (2 * self.rows - self.gained + self.lost) * margin
        c = -self.lost * margin * (1 - margin)
        share = (math.sqrt(max(0.0, b * b - 8 * self.rows * c)) - b) / (4 * self.rows)
        variance = self.rows * (2 * share + margin * (1 - margin))
        distance = self.gained - self.lost - self.rows * margin
        if variance <= 0:  # not one row on which they differ, and no margin
            return 0.0 if distance == 0 else math.copysign(math.inf, distance)
        return distance / math.sqrt(variance)


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedErrors:
    """Means, variances and covariance of both models' squared errors on the same rows."""

    rows: int
    first_mean: float
    second_mean: float
    first_variance: float
    second_variance: float
    covariance: float

    @property
    def gain(self) -> float:
        """By which share of the first model's RMSE the second's is smaller."""
        if self.first_mean <= 0:
            return 0.0 if self.second_mean <= 0 else -1.0
        return 1.0 - math.sqrt(self.second_mean / self.first_mean)

    def p_value(self, margin: float) -> float:
        """Student's test of the mean of (1 - margin)^2 * first - second squared error, row by row."""
        mean, variance = self._difference(margin)
        return _student_tail(mean, variance, self.rows)

    def p_value_of_loss(self, bound: float) -> float:
        """The same test of the other sign."""
        mean, variance = self._difference(-bound)
        return _student_tail(-mean, variance, self.rows)

    def rows_needed(self, margin: float, level: float) -> int | None:
        """From the spread of the differences, as seen."""
        mean, variance = self._difference(margin)
        return _rows_needed(variance, mean, level) if mean > 0 else None

    def _difference(self, margin: float) -> tuple[float, float]:
        scale = max(0.0, 1.0 - margin) ** 2
        mean = scale * self.first_mean - self.second_mean
        variance = scale**2 * self.first_variance + self.second_variance - 2 * scale * self.covariance
        return mean, variance


def sign_p_value(more: int, fewer: int) -> float:
    """Exact one-sided p-value of at least `more` of `more + fewer` when both kinds are equally likely.

    Source: Q. McNemar, "Note on the sampling error of the difference between correlated proportions", 1947.
    """
    trials = more + fewer
    return float(sum(math.comb(trials, wins) for wins in range(more, trials + 1)) / 2**trials)


def to_figures(paired: Paired, prefix: str) -> dict[str, float]:
    """As flat figures, for `from_figures`."""
    assert isinstance(paired, PairedRights | PairedErrors)  # noqa: S101 - the two there are
    return {f"{prefix}{name}": float(value) for name, value in asdict(paired).items()}


def from_figures(figures: Mapping[str, str | float], prefix: str) -> Paired | None:
    """The evidence in a job's figures; None if it is incomplete, no number, or of no rows."""
    for kind in (PairedRights, PairedErrors):
        found = {field.name: figures.get(f"{prefix}{field.name}") for field in fields(kind)}
        values = {name: float(v) for name, v in found.items() if isinstance(v, int | float) and math.isfinite(v)}
        if len(values) == len(found) and values["rows"] >= 1:
            whole = {"rows", "gained", "lost"}
            evidence: Paired = kind(**{name: int(v) if name in whole else v for name, v in values.items()})  # type: ignore[arg-type]
            return evidence
    return None


def _student_tail(mean: float, variance: float, rows: int) -> float:
    """How likely a mean of `mean` or more is if the true one is 0."""
    if rows < 2:  # noqa: PLR2004 - a variance needs two
        return 1.0
    if variance <= 0:
        return 0.0 if mean > 0 else 1.0
    from scipy.special import stdtr  # noqa: PLC0415 - half a second, which the control process pays when it is needed

    return float(stdtr(rows - 1, -mean / math.sqrt(variance / rows)))


def _rows_needed(variance: float, distance: float, level: float) -> int | None:
    if variance <= 0:
        return 2
    if abs(distance) < _LEAST_DISTANCE * math.sqrt(variance):
        return None
    reach = _NORMAL.inv_cdf(1 - level) + _NORMAL.inv_cdf(POWER)
    return max(2, math.ceil(max(0.0, reach) ** 2 * variance / distance**2))
