"""95 % intervals of live figures."""

import math
from collections.abc import Sequence

_Z = 1.959963984540054


def wilson(successes: int, n: int) -> tuple[float, float]:
    """Interval of a share; honest at 0 %, at 100 % and for few rows, where value +- 2 sd is not.

    Source: E. B. Wilson, JASA 22, 1927.
    """
    share, z2 = successes / n, _Z * _Z
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(0.0, centre - half), min(1.0, centre + half)


def mean_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """(mean, low, high) by the normal distribution; one value has no interval but itself."""
    n = len(values)
    mean = math.fsum(values) / n
    spread = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1)) if n > 1 else 0.0
    half = _Z * spread / math.sqrt(n)
    return mean, mean - half, mean + half
