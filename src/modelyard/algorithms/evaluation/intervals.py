"""95 % confidence intervals."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Z = 1.959963984540054
"""97.5 % quantile of the normal distribution."""

RESAMPLES = 300
_SEED = 20_260_101


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
    random = np.random.default_rng(_SEED)
    values = [measure(random.integers(0, rows, rows)) for _ in range(RESAMPLES)]
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return math.nan, math.nan
    low, high = np.percentile(finite, [2.5, 97.5])
    return float(low), float(high)
