"""Forecasts by AutoML beside naive ones and exponential smoothing, on real series from packages, at rolling origins.

`make bench-forecasting` (SECONDS=30 for each search, WORKERS=1 at once, each pinned to a core).

The last quarter of each series is told: from every origin in it, half a horizon apart, one horizon. Modelyard searches
once, before the first origin, and its model is given the latest values at each; the others are fitted anew at each.
The figure is the MASE: mean absolute error in units of the seasonal naive forecast of one step before the first origin.
It writes docs/reference/forecasting-benchmark.md.
"""

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from benchmarks.automl_parts.contenders import run_job
from benchmarks.automl_parts.page import Row, board
from benchmarks.automl_parts.pinning import pinned, told
from benchmarks.automl_parts.series import SERIES, Series

from modelyard.algorithms.base import Channel
from modelyard.algorithms.jobfile import JobFile
from modelyard.types.automl.recipes import AutoMLRecipe, AutoMLTask
from modelyard.types.datasets import DatasetFormat
from modelyard.types.jobs import JobRecipe
from modelyard.types.models import DataReference
from modelyard.types.serving.forecasts import MEAN
from modelyard.types.serving.forecasts import SERIES as INPUT

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "forecasting-benchmark.md"
NAMES = ("Modelyard", "naive", "seasonal naive", "exponential smoothing")
_TOLD_SHARE = 0.25


def main() -> None:
    """Play all series, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--workers", type=int, default=1, help="so many series at once, each pinned to one core")
    parser.add_argument("--page", type=Path, default=PAGE, help="file that the page is written to")
    given = parser.parse_args()
    with pinned(given.workers) as pool:
        rows = list(pool.map(play, [each.name for each in SERIES], [given.seconds] * len(SERIES)))
    text = page(rows, given.seconds, told(given.workers))
    print(text)
    given.page.write_text(text, encoding="utf-8")


def play(name: str, seconds: float) -> Row:
    """All contenders on one series."""
    series = next(each for each in SERIES if each.name == name)
    values = series.load()
    first = int(len(values) * (1 - _TOLD_SHARE))
    origins = range(first, len(values) - series.horizon + 1, max(1, series.horizon // 2))
    known = values.to_numpy()
    scale = float(np.abs(known[series.season : first] - known[: first - series.season]).mean())
    answers: Mapping[str, Sequence[np.ndarray]] = {
        "Modelyard": _modelyard(series, values, origins, seconds),
        "naive": [np.repeat(known[at - 1], series.horizon) for at in origins],
        "seasonal naive": [_seasonal(known[:at], series) for at in origins],
        "exponential smoothing": [_smoothing(known[:at], series) for at in origins],
    }
    truth = np.stack([known[at : at + series.horizon] for at in origins])
    scores = {who: float(np.abs(np.stack(each) - truth).mean()) / scale for who, each in answers.items()}
    row = Row(table=name, figure=f"{len(origins)} x {series.horizon}", scores=scores)
    print(row, flush=True)
    return row


def page(rows: Sequence[Row], seconds: float, at_once: str) -> str:
    """The text in Markdown."""
    lines = [
        "# Forecasts beside others",
        "",
        "MASE (smaller is better) on real series from statsmodels and river;",
        f"{seconds:g} s for each search, {at_once}.",
        "The last quarter of each series is forecast from origins half a horizon apart: `12 x 8` is 12 of them, 8",
        "steps each. Modelyard searches once, before the first origin, and its one model is given the latest values",
        "at each; exponential smoothing (statsmodels: damped trend, additive season) is fitted anew at each. 1 is the",
        "mean error of a seasonal naive forecast of one step before the first origin. Written by",
        "`make bench-forecasting`.",
        "",
    ]
    return "\n".join([*lines, *board(rows, NAMES, ("series", "origins"))]) + "\n"


def _modelyard(series: Series, values: pd.Series, origins: range, seconds: float) -> list[np.ndarray]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        before = values.iloc[: origins[0]]
        pd.DataFrame({"time": before.index, "value": before.to_numpy()}).to_csv(folder / "train.csv", index=False)
        automl = AutoMLRecipe(
            budget_seconds=seconds, task=AutoMLTask.FORECASTING, horizon=series.horizon, holdout_share=0.05
        )
        recipe = JobRecipe(algorithm="automl", target="value", automl=automl)
        reference = DataReference(project="default", dataset="series", number=1, digest="0" * 64)
        channel = Channel(path=folder / "train.csv", format=DatasetFormat.CSV, reference=reference)
        manifest, predictor = run_job(folder, JobFile(recipe=recipe, channels={"train": channel}))
        window = next(spec.shape[1] for spec in manifest.signature.inputs)
        pasts = np.stack([values.to_numpy()[at - window : at] for at in origins]).astype(np.float32)
        return [*predictor.predict({INPUT: pasts})[MEAN]]


def _seasonal(known: np.ndarray, series: Series) -> np.ndarray:
    last = known[len(known) - series.season :]
    return np.resize(last, series.horizon)


def _smoothing(known: np.ndarray, series: Series) -> np.ndarray:
    from statsmodels.tsa.holtwinters import ExponentialSmoothing  # noqa: PLC0415 - of the benchmark's environment only

    season = {"seasonal": "add", "seasonal_periods": series.season} if series.season > 1 else {}
    fitted = ExponentialSmoothing(known, trend="add", damped_trend=True, **season).fit()
    return np.asarray(fitted.forecast(series.horizon))


if __name__ == "__main__":
    main()
