"""Forecasting: the last values of a series tell the next ones, with quantiles. One model serves many series."""

from collections.abc import Mapping

from modelyard.algorithms.base import Algorithm, Channel, TrainingContext
from modelyard.algorithms.forecasting import parameters
from modelyard.algorithms.tables.boosted.hyperparameters import HYPERPARAMETERS as TREES
from modelyard.algorithms.tables.parameters import TABLE_FORMATS
from modelyard.types.jobs import AlgorithmDescription, Hyperparameter
from modelyard.types.models import Task
from modelyard.types.signatures import Scalar


class _Forecasting(Algorithm):
    def train(
        self, channels: Mapping[str, Channel], hyperparameters: Mapping[str, Scalar], context: TrainingContext
    ) -> None:
        """Train on a CSV or Parquet table of times and, in the column `context.target`, values; see the base.

        Raises:
            TargetNotFoundError: the table has no such column.
            TargetInvalidError: it holds no numbers, or one that never changes.
            ColumnsInvalidError: there is no such column of times, or they are not evenly spaced.
            TooFewRowsError: the series are too short for the horizon.
            HyperparameterInvalidError: a logarithm of values that are not above 0.
        """
        from modelyard.algorithms.forecasting.training import train  # noqa: PLC0415 - the libraries take seconds

        train(channels, hyperparameters, self.description.name, context)


def _describe(name: str, description: str, *own: Hyperparameter) -> AlgorithmDescription:
    return AlgorithmDescription(
        name=name,
        task=Task.FORECASTING,
        description=description,
        input_formats=TABLE_FORMATS,
        hyperparameters=(*own, *parameters.SHARED),
        metrics=parameters.METRICS,
        objective="mase",
        is_objective_maximised=False,
    )


class SeasonalNaiveForecasting(_Forecasting):
    """What was at the same time of the last seasons."""

    description = _describe(
        "seasonal-naive-forecasting",
        "Forecasts what was at the same time of the last season, or seasons: what anything else must beat.",
        parameters.SEASON,
        parameters.REPEATS,
        parameters.TRANSFORM,
    )


class SmoothingForecasting(_Forecasting):
    """Exponential smoothing."""

    description = _describe(
        "exponential-smoothing-forecasting",
        "Forecasts by level, trend and season, each of which follows the values as quickly as served best (Holt, "
        "Winters): strong where series are short.",
        parameters.SEASON,
        parameters.TREND,
        parameters.TRANSFORM,
    )


class LinearForecasting(_Forecasting):
    """Linear autoregression."""

    description = _describe(
        "linear-forecasting",
        "Forecasts each step by a ridge regression on the last values and on the same times of earlier seasons: "
        "trains in a second.",
        parameters.CONTEXT,
        parameters.SEASONAL,
        parameters.REGULARISATION,
        parameters.TRANSFORM,
    )


class BoostedTreesForecasting(_Forecasting):
    """Boosted trees over all steps at once."""

    description = _describe(
        "boosted-trees-forecasting",
        "Forecasts all steps by gradient-boosted trees (XGBoost) on the last values and on the same times of earlier "
        "seasons: for long series, or many, with bends that a line does not follow.",
        *TREES,
        parameters.CONTEXT,
        parameters.DIFFERENCES,
        parameters.TRANSFORM,
    )


class EnsembleForecasting(_Forecasting):
    """Several that answer together."""

    description = _describe(
        "ensemble-forecasting",
        "Forecasts the weighted mean of what several models forecast: what AutoML makes of its best candidates.",
        parameters.MEMBERS,
    )
