"""Has the quality fallen? A test that may be looked at after every row, for ever, without raising more false alarms.

Each row has a score in 0 to 1 (1: right). A gambler who bets against "the mean score is at least the baseline" starts
with a capital of 1 and cannot make money while that is true, however long they play and whenever one looks: the chance
that the capital ever reaches 1/alpha is at most alpha. Capital is therefore evidence.

Sources: J. Ville, "Étude critique de la notion de collectif", 1939 (the inequality); I. Waudby-Smith and A. Ramdas,
"Estimating means of bounded random variables by betting", JRSS B 86, 2024 (the bets; the confidence sequence is their
predictable plug-in empirical Bernstein one); J. Shin, A. Ramdas, A. Rinaldo, "E-detectors", NEJSDS 2, 2023 (starting
anew at every row, so that a late change is found as soon as an early one).
"""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BETS = tuple(float(share) for share in np.geomspace(0.02, 0.9, 12))
_BAND_ALPHA = 0.05
_LARGEST_BET = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that the test remembers; its size does not depend on the rows.

    Attributes:
        baseline: the mean score that the rows are tested against.
        rows: seen so far.
        capital: logarithm of what each bet has made of its part, by size of the bet; None: nothing yet.
        scores, spread: sum of the scores, and of their squared distances from the mean as it was known before each.
        band: sums of bet x score, bet, and variance for the confidence sequence.
    """

    baseline: float
    rows: int = 0
    capital: tuple[float | None, ...] = field(default=(None,) * len(_BETS))
    scores: float = 0.0
    spread: float = 0.0
    band: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def after(self, scores: NDArray[Any]) -> "Evidence":
        """With these rows, (n,) in 0 to 1, in the order in which their truth became known."""
        values = np.asarray(scores, dtype=np.float64)
        if not len(values):
            return self
        return replace(self._with_band(values), rows=self.rows + len(values), capital=self._capital(values))

    @property
    def value(self) -> float:
        """The capital: 20 and more is evidence at the level 5 %, for whoever looks and however often."""
        made = np.exp(np.minimum(np.array([-np.inf if c is None else c for c in self.capital]), 600.0)).mean()
        return float(made) + 1.0 / (self.rows + 1)  # what waits to be bet from later rows on

    @property
    def mean(self) -> float:
        """Mean score of all rows."""
        return self.scores / self.rows if self.rows else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Where the mean score lies: with 95 % for all numbers of rows at once."""
        weighted, bets, variance = self.band
        if not bets:
            return 0.0, 1.0
        half = (np.log(2 / _BAND_ALPHA) + variance) / bets
        return max(0.0, weighted / bets - half), min(1.0, weighted / bets + half)

    def _capital(self, values: NDArray[np.float64]) -> tuple[float | None, ...]:
        """Every row starts a gambler of its own with 1/(k(k+1)) of the capital, which adds up to 1 over all rows.

        log M(t) = L(t) + log(M(0) + sum over s <= t of w(s) / exp L(s-1)), L the sum of the factors' logarithms.
        """
        places = self.rows + 1 + np.arange(len(values), dtype=np.float64)
        weights = -np.log(places) - np.log(places + 1)
        made: list[float | None] = []
        for share, before in zip(_BETS, self.capital, strict=True):
            bet = share / max(1.0 - self.baseline, 1e-9)
            total = np.cumsum(np.log1p(np.maximum(bet * (self.baseline - values), -share)))
            entered = weights - np.concatenate([[0.0], total[:-1]])
            start = np.logaddexp.reduce(np.append(entered, -np.inf if before is None else before))
            made.append(float(total[-1] + start))
        return tuple(made)

    def _with_band(self, values: NDArray[np.float64]) -> "Evidence":
        count = self.rows + np.arange(1, len(values) + 1, dtype=np.float64)
        means_after = (0.5 + self.scores + np.cumsum(values)) / (count + 1)
        means_before = np.concatenate([[(0.5 + self.scores) / (self.rows + 1)], means_after[:-1]])
        distances = np.cumsum(np.square(values - means_after))
        variance_after = (0.25 + self.spread + distances) / (count + 1)
        variance_before = np.concatenate([[(0.25 + self.spread) / (self.rows + 1)], variance_after[:-1]])
        wanted = np.sqrt(2 * np.log(2 / _BAND_ALPHA) / (variance_before * count * np.log1p(count)))
        bets = np.minimum(wanted, _LARGEST_BET)
        variance = np.square(values - means_before) * (-np.log1p(-bets) - bets)
        weighted, total, known = self.band
        return replace(
            self,
            scores=self.scores + float(values.sum()),
            spread=self.spread + float(distances[-1]),
            band=(weighted + float(bets @ values), total + float(bets.sum()), known + float(variance.sum())),
        )
