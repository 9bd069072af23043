"""P-values for two samples given as counts. Nothing here knows columns or words.

SciPy is imported inside the functions: its special functions take 0.5 s to load and the control process starts without.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_MIN_EXPECTED = 5.0


def kolmogorov_smirnov(reference: NDArray[np.int64], window: NDArray[np.int64], rows: float) -> tuple[float, float]:
    """Largest difference of the two cumulative shares and its p-value.

    Args:
        reference: counts per bin, (bins,).
        window: counts in the same bins.
        rows: independent rows in the window (at most the sum of `window`).

    Source: M. A. Stephens, "Use of the Kolmogorov-Smirnov ... Without Extensive Tables", JRSS B 32, 1970 (correction
    for small samples). Ties and bins make the p-value larger than the exact one, never smaller.
    """
    from scipy.special import kolmogorov  # noqa: PLC0415 - see the module's docstring

    total = int(reference.sum())
    if not total or not window.sum():
        return 0.0, 1.0
    gap = np.cumsum(reference) / total - np.cumsum(window) / window.sum()
    distance = float(np.abs(gap).max())
    root = np.sqrt(total * rows / (total + rows))
    return distance, float(kolmogorov((root + 0.12 + 0.11 / root) * distance))


def chi_square(reference: NDArray[np.int64], window: NDArray[np.int64], rows: float) -> tuple[float, float]:
    """Share of the rows that changed their cell (total variation distance) and the p-value of homogeneity.

    Cells with fewer than 5 expected rows are put together first, since the distribution holds for larger ones only.
    """
    from scipy.special import chdtrc  # noqa: PLC0415 - see the module's docstring

    total, size = int(reference.sum()), int(window.sum())
    if not total or not size:
        return 0.0, 1.0
    distance = float(0.5 * np.abs(reference / total - window / size).sum())
    table = np.stack([reference.astype(float), window * (rows / size)])
    table = _pooled(table)
    if table.shape[1] <= 1:
        return distance, 1.0
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    statistic = float((np.square(table - expected) / expected).sum())
    return distance, float(chdtrc(table.shape[1] - 1, statistic))


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
