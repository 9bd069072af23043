"""P-values for two samples given as counts. Nothing here knows columns or words.

SciPy is imported inside the functions: its special functions take 0.5 s to load and the control process starts without.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_MIN_EXPECTED = 5.0
_MANY_EXPECTED = 50.0
_NEAR, _FAR = 0.1, 1e-8  # levels are 0.05 at most, and the exact value is above half of such a bound
_NODES_PER_DEVIATION = 2.5
_MAX_NODES = 160
_SHORTEST_STEP = 0.008  # half a bin of 64: shorter ones would need more nodes and add nothing
_PERMUTATIONS = 20_000
_SEED = 20_260_101


def kolmogorov_smirnov(reference: NDArray[np.int64], window: NDArray[np.int64], rows: float) -> tuple[float, float]:
    """Largest difference of the two cumulative shares at the bins' edges, and its p-value.

    The null distribution is that of a Brownian bridge looked at only where the bins end (`bridge`). Kolmogorov's own
    formula, for a bridge looked at everywhere, would be too large by half with 64 bins and would waste that power.

    Args:
        reference: counts per bin, (bins,).
        window: counts in the same bins.
        rows: independent rows in the window (at most the sum of `window`).
    """
    from scipy.special import kolmogorov  # noqa: PLC0415 - see the module's docstring

    total, size = int(reference.sum()), int(window.sum())
    if not total or not size:
        return 0.0, 1.0
    gap = np.cumsum(reference) / total - np.cumsum(window) / size
    distance = float(np.abs(gap).max())
    level = distance * float(np.sqrt(total * rows / (total + rows)))
    bound = float(kolmogorov(level))
    if not _FAR < bound < _NEAR:  # beyond doubt either way: the bound, which costs nothing, will do
        return distance, bound
    pooled = np.cumsum(reference + window * (rows / size)) / (total + rows)
    return distance, min(bound, bridge(pooled[:-1], level))


def bridge(times: NDArray[np.float64], level: float) -> float:
    """Chance that a Brownian bridge is beyond `level`, up or down, at one of these times (ascending, in 0 to 1).

    Exact up to the quadrature: the density of the paths that have stayed inside is carried from one time to the next.
    Source: the bridge as the limit of the two-sample process: J. L. Doob, Annals of Mathematical Statistics 20, 1949.
    """
    looks = _spread(times)
    if not len(looks):
        return 1.0
    before = np.concatenate([[0.0], looks[:-1]])
    left = (1.0 - looks) / (1.0 - before)
    variances = (looks - before) * left
    nodes, weights = _quadrature(int(np.ceil(_NODES_PER_DEVIATION * level / np.sqrt(variances[1:].min(initial=1.0)))))
    places, weights = nodes * level, weights * level
    scale = 2 * variances[:, None, None]
    steps = np.exp(-np.square(places[:, None] - places * left[:, None, None]) / scale) / np.sqrt(np.pi * scale)
    inside = np.exp(-np.square(places) / scale[0, 0]) / np.sqrt(np.pi * scale[0, 0])
    for step in steps[1:]:
        inside = step @ (inside * weights)
    return float(np.clip(1.0 - (inside * weights).sum(), 0.0, 1.0))


def _spread(times: NDArray[np.float64]) -> NDArray[np.float64]:
    """These times without those that follow closely on another: they add cost and no chance to be beyond."""
    kept = [0.0]
    for time in times.tolist():
        if time - kept[-1] >= _SHORTEST_STEP and 1.0 - time >= _SHORTEST_STEP:
            kept.append(time)
    return np.asarray(kept[1:])


@lru_cache(maxsize=256)
def _quadrature(nodes: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gauss-Legendre nodes and weights on -1 to 1."""
    places, weights = np.polynomial.legendre.leggauss(max(8, min(nodes, _MAX_NODES)))
    return places, weights


def chi_square(reference: NDArray[np.int64], window: NDArray[np.int64], rows: float) -> tuple[float, float]:
    """Share of the rows that changed their cell (total variation distance) and the p-value of homogeneity.

    Cells with fewer than 5 expected rows are put together first. Where cells are still small and the verdict is near,
    the p-value is that of permutations: the chi-square distribution is too light at the far end there.
    """
    from scipy.special import chdtrc  # noqa: PLC0415 - see the module's docstring

    total, size = int(reference.sum()), int(window.sum())
    if not total or not size:
        return 0.0, 1.0
    distance = float(0.5 * np.abs(reference / total - window / size).sum())
    table = _pooled(np.stack([reference.astype(float), window * (rows / size)]))
    if table.shape[1] <= 1:
        return distance, 1.0
    statistic = float(_statistic(table[1], table.sum(axis=0), total, rows))
    p_value = float(chdtrc(table.shape[1] - 1, statistic))
    smallest = table.sum(axis=0).min() * min(total, rows) / (total + rows)
    if smallest >= _MANY_EXPECTED or not _FAR < p_value < _NEAR:
        return distance, p_value
    return distance, _permuted(table, statistic, p_value)


def _statistic(
    counts: NDArray[np.float64], sums: NDArray[np.float64], total: float, rows: float
) -> NDArray[np.float64]:
    """Pearson's statistic of a two-row table of which `counts` is one row, (..., cells) -> (...)."""
    expected = sums * (rows / (total + rows))
    found: NDArray[np.float64] = (np.square(counts - expected) / expected).sum(axis=-1) * ((total + rows) / total)
    return found


def _permuted(table: NDArray[np.float64], statistic: float, limit: float) -> float:
    """Share of random tables with these sums that are as far from even; `limit` where none is."""
    sums = np.rint(table.sum(axis=0)).astype(np.int64)
    rows = round(float(table[1].sum()))
    random = np.random.default_rng(_SEED)
    drawn = random.multivariate_hypergeometric(sums, rows, size=_PERMUTATIONS, method="marginals")
    found = _statistic(drawn.astype(np.float64), sums.astype(np.float64), float(sums.sum() - rows), float(rows))
    beyond = int((found >= statistic * (1 - 1e-9)).sum())
    return (beyond + 1) / (_PERMUTATIONS + 1) if beyond else min(limit, 1 / (_PERMUTATIONS + 1))


def excess(reference: int, reference_rows: int, window: int, window_rows: int) -> float:
    """Exact p-value that a share has grown: Fisher's one-sided test, `reference` of `reference_rows` against the other.

    Sums the hypergeometric probabilities of `window` or more.
    """
    from scipy.special import gammaln  # noqa: PLC0415 - see the module's docstring

    marked = reference + window
    possible = np.arange(window, min(marked, window_rows) + 1, dtype=np.float64)
    if window <= 0 or not len(possible):
        return 1.0

    def log_choose(n: float, k: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))

    logs = log_choose(window_rows, possible) + log_choose(reference_rows, marked - possible)
    logs -= log_choose(reference_rows + window_rows, np.array(float(marked)))
    return float(min(1.0, np.exp(logs[marked - possible <= reference_rows]).sum()))


def least_excess(reference: int, reference_rows: int, window: int, window_rows: int) -> float:
    """The smallest p-value that `excess` could have given for as many marked rows: all of them in the window.

    A test whose least p-value is above the level cannot raise an alarm, so the correction need not count it.
    Source: R. E. Tarone, Biometrics 46, 1990.
    """
    most = min(reference + window, window_rows)
    return excess(reference + window - most, reference_rows, most, window_rows)


def benjamini_hochberg(p_values: Sequence[float], alpha: float) -> list[bool]:
    """Which hypotheses to reject so that at most the share `alpha` of the rejections is false.

    Source: Y. Benjamini and Y. Hochberg, JRSS B 57, 1995. Where nothing has changed, any rejection at all has the
    probability `alpha`.
    """
    ordered = np.sort(np.asarray(p_values, dtype=np.float64))
    passed = np.flatnonzero(ordered <= alpha * np.arange(1, len(ordered) + 1) / max(1, len(ordered)))
    limit = ordered[passed[-1]] if len(passed) else -1.0
    return [p <= limit for p in p_values]


def _pooled(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """(2, cells) with the cells of too few expected rows in either sample added up in one."""
    expected = table.sum(axis=0) * (table.sum(axis=1).min() / table.sum())
    is_small = expected < _MIN_EXPECTED
    pooled = table[:, is_small].sum(axis=1, keepdims=True)
    kept = table[:, ~is_small]
    if not is_small.any():
        return kept
    if expected[is_small].sum() < _MIN_EXPECTED and kept.shape[1]:
        smallest = int(np.argmin(kept.sum(axis=0)))
        kept[:, smallest] += pooled[:, 0]
        return kept
    return np.concatenate([kept, pooled], axis=1)
