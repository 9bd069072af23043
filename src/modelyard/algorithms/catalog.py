"""The built-in algorithms by name. Importing this, and describing them, imports no machine-learning library."""

from difflib import get_close_matches

from modelyard.algorithms.base import Algorithm
from modelyard.algorithms.boosted_trees import BoostedTreesClassification, BoostedTreesRegression
from modelyard.algorithms.ensembles import EnsembleClassification, EnsembleRegression
from modelyard.algorithms.errors import AlgorithmNotFoundError
from modelyard.algorithms.forecasting.algorithms import (
    BoostedTreesForecasting,
    EnsembleForecasting,
    LinearForecasting,
    SeasonalNaiveForecasting,
    SmoothingForecasting,
)
from modelyard.algorithms.forests import ForestClassification, ForestRegression
from modelyard.algorithms.images.algorithm import ImageClassification
from modelyard.algorithms.kernel_models import KernelClassification, KernelRegression
from modelyard.algorithms.linear_models import LinearClassification, LinearRegression
from modelyard.algorithms.texts.algorithm import TextClassification
from modelyard.types.jobs import AlgorithmDescription

_ALGORITHMS: dict[str, type[Algorithm]] = {
    made.description.name: made
    for made in (
        ImageClassification,
        BoostedTreesClassification,
        BoostedTreesRegression,
        LinearClassification,
        LinearRegression,
        ForestClassification,
        ForestRegression,
        KernelClassification,
        KernelRegression,
        EnsembleClassification,
        EnsembleRegression,
        TextClassification,
        SeasonalNaiveForecasting,
        SmoothingForecasting,
        LinearForecasting,
        BoostedTreesForecasting,
        EnsembleForecasting,
    )
}


def algorithm(name: str) -> Algorithm:
    """The algorithm of that name.

    Raises:
        AlgorithmNotFoundError: there is none; the hint has the nearest name.
    """
    if name not in _ALGORITHMS:
        close = get_close_matches(name.lower().replace("_", "-"), _ALGORITHMS, n=1, cutoff=0.4)
        guess = f"Did you mean '{close[0]}'? " if close else ""
        raise AlgorithmNotFoundError(
            f"There is no algorithm '{name[:80]}'",
            hint=f"{guess}There are {', '.join(_ALGORITHMS)}.",
            field="algorithm",
        )
    return _ALGORITHMS[name]()


def describe(name: str) -> AlgorithmDescription:
    """What an algorithm takes and measures.

    Raises:
        AlgorithmNotFoundError: there is none of that name.
    """
    return algorithm(name).description


def descriptions() -> tuple[AlgorithmDescription, ...]:
    """Every algorithm's description."""
    return tuple(made.description for made in _ALGORITHMS.values())
