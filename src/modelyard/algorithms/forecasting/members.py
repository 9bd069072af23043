"""The forecasting algorithms by name: how each is fitted to windows."""

from collections.abc import Callable, Mapping

from modelyard.algorithms.base import TrainingContext
from modelyard.algorithms.errors import HyperparameterInvalidError
from modelyard.algorithms.forecasting import algorithms
from modelyard.algorithms.forecasting.autoregression import fit_autoregression
from modelyard.algorithms.forecasting.boosting import BoostedSteps, Steps, fit_boosting
from modelyard.algorithms.forecasting.forecasters import Blend, Core, Forecaster, Scaled, logarithms
from modelyard.algorithms.forecasting.naive import seasonal_naive
from modelyard.algorithms.forecasting.seasons import Layout
from modelyard.algorithms.forecasting.smoothing import fit_smoothing
from modelyard.algorithms.forecasting.units import Values
from modelyard.algorithms.forecasting.windows import Frame, Windows
from modelyard.algorithms.hyperparameters import complete
from modelyard.algorithms.tables.ensembles import wanted_members
from modelyard.algorithms.tables.trees import rounds_of
from modelyard.types.signatures import Scalar

_PLAIN_CONTEXT = 8

Given = Mapping[str, Scalar]
Fit = Callable[[Windows, Values, Values, Given, TrainingContext], Core]
"""Windows, their pasts (n, window) and futures (n, horizon) in units, hyper-parameters, context."""


def fit_forecaster(algorithm: str, windows: Windows, given: Given, context: TrainingContext) -> Forecaster:
    """Fit an algorithm.

    Raises:
        HyperparameterInvalidError: a logarithm of values that are not above 0, or members that cannot be fitted.
    """
    if algorithm == algorithms.EnsembleForecasting.description.name:
        return _fit_blend(windows, str(given["members"]), context)
    is_log = given.get("transform") == "log"
    if is_log and not ((windows.pasts > 0).all() and (windows.futures > 0).all()):
        raise HyperparameterInvalidError(
            "The logarithm is of values above 0, and there are others",
            hint="Set transform to none.",
            field="hyperparameters.transform",
        )
    units = windows.frame.units
    pasts, futures = windows.exact, windows.futures
    if is_log:
        pasts, futures = logarithms(pasts), logarithms(futures)
    level, spread = units.of(pasts)
    core = _FITS[algorithm](windows, (pasts - level) / spread, (futures - level) / spread, given, context)
    return Scaled(units, core, is_log)


def settled(forecaster: Forecaster) -> dict[str, Scalar]:
    """Hyper-parameters that fitting found out; none for most."""
    core = forecaster.core if isinstance(forecaster, Scaled) else None
    return rounds_of(core.trees) if isinstance(core, BoostedSteps) else {}


def _naive(windows: Windows, _pasts: Values, _futures: Values, given: Given, _context: TrainingContext) -> Core:
    frame = windows.frame
    return seasonal_naive(frame.window, frame.horizon, _season(frame, given), int(given["repeats"]))


def _smoothing(windows: Windows, pasts: Values, futures: Values, given: Given, _context: TrainingContext) -> Core:
    return fit_smoothing(pasts, futures, _season(windows.frame, given), str(given["trend"]))


def _linear(windows: Windows, pasts: Values, futures: Values, given: Given, _context: TrainingContext) -> Core:
    frame = windows.frame
    seasons = frame.seasons if given["seasonal"] else ()
    layout = Layout(_context_of(frame, given), frame.horizon, seasons)
    return fit_autoregression(layout, pasts, futures, [float(given["regularisation"])])


def _boosting(windows: Windows, pasts: Values, futures: Values, given: Given, context: TrainingContext) -> Core:
    frame = windows.frame
    steps = Steps(window=frame.window, horizon=frame.horizon, context=_context_of(frame, given), seasons=frame.seasons)
    return fit_boosting(steps, windows.times, pasts, futures, given, context)


_FITS: Mapping[str, Fit] = {
    algorithms.SeasonalNaiveForecasting.description.name: _naive,
    algorithms.SmoothingForecasting.description.name: _smoothing,
    algorithms.LinearForecasting.description.name: _linear,
    algorithms.BoostedTreesForecasting.description.name: _boosting,
}
_DESCRIPTIONS = {
    each.description.name: each.description
    for each in (
        algorithms.SeasonalNaiveForecasting,
        algorithms.SmoothingForecasting,
        algorithms.LinearForecasting,
        algorithms.BoostedTreesForecasting,
    )
}


def _season(frame: Frame, given: Given) -> int:
    """As wanted, if the window has it; 0 is the shortest."""
    wanted = int(given["season"])
    return min(wanted, frame.window // 2) if wanted else frame.season


def _context_of(frame: Frame, given: Given) -> int:
    """Last values that are looked at; 0 is a season."""
    usual = frame.season if frame.season > 1 else _PLAIN_CONTEXT
    return min(int(given["context"]) or usual, frame.window)


def _fit_blend(windows: Windows, text: str, context: TrainingContext) -> Blend:
    wanted = wanted_members(text, tuple(_FITS))
    members = [
        fit_forecaster(each.algorithm, windows, complete(_DESCRIPTIONS[each.algorithm], each.hyperparameters), context)
        for each in wanted
    ]
    total = sum(each.weight for each in wanted)
    return Blend(members, [each.weight / total for each in wanted])
