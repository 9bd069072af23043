"""Forecasts under DeepAR's name: better than the last season on a real series, with quantiles that hold true."""

import gzip
import io
import json
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from modelyard.testing.aws.algorithms import answers, failure, train
from modelyard.testing.data.series import PASSENGERS
from modelyard.types.serving.forecasts import LEVELS
from modelyard.types.serving.windows import last_window

YEAR = {"time_freq": "M", "prediction_length": 12, "context_length": 12, "epochs": 20}


def lines(*series: Sequence[float]) -> bytes:
    return "\n".join(json.dumps({"start": "1949-01-01 00:00:00", "target": list(each)}) for each in series).encode()


def forecast(root, past: np.ndarray) -> dict[str, np.ndarray]:
    size = 12
    return answers(root, last_window(past, size)[None].astype(np.float32), "series")


def test_the_next_year_is_forecast_better_than_by_the_last_one(tmp_path, capsys):
    known, truth = PASSENGERS[:-12], PASSENGERS[-12:]
    channels = {"train": {"a.json": lines(known)}, "test": {"a.json": lines(PASSENGERS)}}
    assert train(tmp_path, "deepar", YEAR, channels, "json") == 0
    found = forecast(tmp_path, known)
    error = np.abs(found["mean"][0] - truth).mean()
    assert error < np.abs(known[-12:] - truth).mean() * 0.6
    root = float(np.sqrt(((found["mean"][0] - truth) ** 2).mean()))
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("#test_score (algo-1, RMSE)")]
    assert float(told[0].rpartition(" ")[2]) == pytest.approx(root, rel=1e-3)
    assert (np.diff(found["quantiles"][0], axis=0) >= -1e-3).all()


def test_quantiles_hold_as_many_values_as_they_say(tmp_path):
    generator = np.random.default_rng(0)
    week = np.array([1, 2, 3, 4, 3, 8, 9.0])
    series = [scale * (np.tile(week, 40) + generator.normal(0, 0.5, 280)) for scale in (1, 5, 100)]
    given = {"time_freq": "D", "prediction_length": 7, "epochs": 1}
    assert train(tmp_path, "deepar", given, {"train": {"a.json": lines(*(each[:-70] for each in series))}}, "json") == 0
    inside = []
    for each in series:
        for end in range(210, 273):
            quantiles = answers(tmp_path, each[None, end - 7 : end].astype(np.float32), "series")["quantiles"][0]
            low, high = quantiles[LEVELS.index(0.1)], quantiles[LEVELS.index(0.9)]
            inside.append((low <= each[end : end + 7]) & (each[end : end + 7] <= high))
    assert 0.7 < np.mean(inside) < 0.9


@pytest.mark.parametrize("form", ["gzip", "parquet", "gaps"])
def test_series_are_read_gzipped_as_parquet_and_with_gaps(tmp_path, form):
    plain, other = tmp_path / "plain", tmp_path / "other"
    assert train(plain, "deepar", YEAR, {"train": {"a.json": lines(PASSENGERS)}}, "json") == 0
    if form == "gzip":
        files = {"a.json.gz": gzip.compress(lines(PASSENGERS))}
    elif form == "parquet":
        content = io.BytesIO()
        pyarrow.parquet.write_table(pa.table({"start": ["1949-01-01"], "target": [PASSENGERS.tolist()]}), content)
        files = {"a.parquet": content.getvalue()}
    else:  # between 112 and 132 a straight line has 122 in place of 118
        files = {"a.json": lines([112, "NaN", *PASSENGERS[2:]])}
    assert train(other, "deepar", YEAR, {"train": files}, "json") == 0
    tolerance = 0.02 if form == "gaps" else 1e-6
    assert forecast(other, PASSENGERS)["mean"] == pytest.approx(forecast(plain, PASSENGERS)["mean"], rel=tolerance)


def test_a_series_that_is_constant_stays_so(tmp_path):
    given = {"time_freq": "15min", "prediction_length": 4, "context_length": 8}
    assert train(tmp_path, "deepar", given, {"train": {"a.json": lines([5.0] * 300)}}, "json") == 0
    assert answers(tmp_path, np.full((1, 96), 5, np.float32), "series")["mean"] == pytest.approx(5, abs=1e-3)


@pytest.mark.parametrize(
    ("given", "content", "reason"),
    [
        ({}, b"", "has no series"),
        ({}, b"{", "a.json, line 1 is no time series"),
        ({}, b'{"start": "2026-01-01", "target": ["x"]}', "a.json, line 1 is no time series"),
        ({}, b'{"start": "2026-01-01", "target": [1e999]}', "a.json, line 1 is no time series"),
        ({}, lines([1.0, 2.0, 3.0]), "No series is long enough"),
        ({"time_freq": "fortnight"}, lines(PASSENGERS), "is no frequency"),
    ],
)
def test_what_cannot_be_forecast_is_the_clients_error(tmp_path, given, content, reason):
    assert train(tmp_path, "deepar", {**YEAR, **given}, {"train": {"a.json": content}}, "json") == 2
    assert reason in failure(tmp_path)
