"""Real time series that come in the packages statsmodels and river."""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
from benchmarks.automl_parts.tables import river, statsmodels


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A series: its name, its values by the time that they are of, its season in steps, and how far to forecast."""

    name: str
    load: Callable[[], pd.Series]
    season: int
    horizon: int


def _passengers() -> pd.Series:
    frame = river("airline-passengers.csv")()
    return pd.Series(frame["passengers"].to_numpy(float), pd.PeriodIndex(frame["month"], freq="M").to_timestamp())


def _carbon_dioxide() -> pd.Series:
    weeks = statsmodels("co2")()["co2"]
    return weeks.resample("MS").mean().interpolate()


def _sea_temperature() -> pd.Series:
    years = statsmodels("elnino")().set_index("YEAR")
    start = f"{int(years.index[0])}-01-01"
    return pd.Series(years.to_numpy(float).reshape(-1), pd.date_range(start, periods=years.size, freq="MS"))


def _quarters(column: str) -> Callable[[], pd.Series]:
    def load() -> pd.Series:
        values = statsmodels("macrodata")()[column].to_numpy(float)
        return pd.Series(values, pd.date_range("1959-01-01", periods=len(values), freq="QS"))

    return load


def _years(name: str, first: int) -> Callable[[], pd.Series]:
    def load() -> pd.Series:
        values = statsmodels(name)().iloc[:, -1].to_numpy(float)
        return pd.Series(values, pd.date_range(f"{first}-01-01", periods=len(values), freq="YS"))

    return load


SERIES = (
    Series(name="air passengers, months", load=_passengers, season=12, horizon=12),
    Series(name="carbon dioxide, months", load=_carbon_dioxide, season=12, horizon=12),
    Series(name="sea temperature, months", load=_sea_temperature, season=12, horizon=12),
    Series(name="real product, quarters", load=_quarters("realgdp"), season=4, horizon=8),
    Series(name="unemployment, quarters", load=_quarters("unemp"), season=4, horizon=8),
    Series(name="inflation, quarters", load=_quarters("infl"), season=4, horizon=8),
    Series(name="sunspots, years", load=_years("sunspots", 1700), season=1, horizon=6),
    Series(name="the Nile, years", load=_years("nile", 1871), season=1, horizon=5),
)
