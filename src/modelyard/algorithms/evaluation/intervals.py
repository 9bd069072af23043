"""95 % confidence intervals."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Z = 1.959963984540054
"""97.5 % quantile of the normal distribution."""

RESAMPLES = 300
SEED = 20_260_101


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Interval of a share; holds for small numbers and shares near 0 and 1, where the usual formula fails.

    Source: E. B. Wilson, "Probable Inference", Journal of the American Statistical Association 22, 1927.
    """
    if trials == 0:
        return 0.0, 1.0
    share = successes / trials
    centre = share + Z * Z / (2 * trials)
    reach = Z * math.sqrt(share * (1 - share) / trials + Z * Z / (4 * trials * trials))
    scale = 1 + Z * Z / trials
    return max(0.0, (centre - reach) / scale), min(1.0, (centre + reach) / scale)


def bootstrap(measure: Callable[[NDArray[np.int64]], float], rows: int) -> tuple[float, float]:
    """Percentile interval of any figure over `rows` rows; the same figures give the same interval.

    Args:
        measure: the figure over the rows of the given numbers, which may repeat.
        rows: how many rows there are.
    """
    random = np.random.default_rng(SEED)
    values = [measure(random.integers(0, rows, rows)) for _ in range(RESAMPLES)]
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return math.nan, math.nan
    low, high = np.percentile(finite, [2.5, 97.5])
    return float(low), float(high)


def mean_interval(values: NDArray[Any]) -> tuple[float, float, float]:
    """(mean, low, high) of (n,) values by the normal distribution; a single value is its own interval."""
    mean = float(values.mean())
    reach = Z * float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return mean, mean - reach, mean + reach


def difference_of_shares(one: tuple[int, int], other: tuple[int, int]) -> tuple[float, float, float]:
    """(difference, low, high) of two independent shares, (successes, trials) each, out of their Wilson intervals.

    Source: R. Newcombe, "Interval estimation for the difference between independent proportions: comparison of eleven
    methods", Statistics in Medicine 17, 1998, method 10.
    """
    first, second = one[0] / one[1], other[0] / other[1]
    (low1, high1), (low2, high2) = wilson(*one), wilson(*other)
    difference = first - second
    low = difference - math.hypot(first - low1, high2 - second)
    high = difference + math.hypot(high1 - first, second - low2)
    return difference, low, high


def ratio_of_shares(one: tuple[int, int], other: tuple[int, int]) -> tuple[float | None, float, float]:
    """(ratio, low, high) of two independent shares, on the logarithm; half a success is added to each for the interval.

    The ratio is None where the second share is 0. Source: S. Walter, "The distribution of Levin's measure of
    attributable risk", Biometrika 62, 1975.
    """
    ratio = (one[0] / one[1]) / (other[0] / other[1]) if other[0] else None
    (a, n), (b, m) = ((hits + 0.5, trials + 0.5) for hits, trials in (one, other))
    centre = math.log((a / n) / (b / m))
    reach = Z * math.sqrt(max(0.0, 1 / a - 1 / n + 1 / b - 1 / m))
    low, high = math.exp(centre - reach), math.exp(centre + reach)
    return ratio, low if ratio is None else min(low, ratio), high if ratio is None else max(high, ratio)


def difference_of_paired(gained: int, lost: int, trials: int, z: float = Z) -> tuple[float, float, float]:
    """(difference, low, high) of two shares on the same rows, of which `gained` and `lost` changed.

    Source: D. Bonett and R. Price, "Adjusted Wald confidence interval for a difference of binomial proportions based on
    paired data", Journal of Educational and Behavioral Statistics 37, 2012.
    """
    up, down, rows = (gained + 1) / (trials + 2), (lost + 1) / (trials + 2), trials + 2
    reach = z * math.sqrt(max(0.0, (up + down - (up - down) ** 2) / rows))
    difference = (gained - lost) / trials
    return difference, max(-1.0, min(up - down - reach, difference)), min(1.0, max(up - down + reach, difference))
