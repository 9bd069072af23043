"""Forecasters on a real series: their ONNX form, what they see, what they must not see, and what is refused."""

import numpy as np
import pytest

from modelyard.algorithms import catalog
from modelyard.algorithms.errors import (
    ColumnsInvalidError,
    HyperparameterInvalidError,
    TargetInvalidError,
    TooFewRowsError,
)
from modelyard.algorithms.forecasting.boosting import stopping_parts
from modelyard.algorithms.forecasting.loading import load_series
from modelyard.algorithms.forecasting.naive import seasonal_naive
from modelyard.algorithms.forecasting.smoothing import Smoothing, smoothing_map
from modelyard.algorithms.forecasting.windows import frame_of, split_series
from modelyard.runtimes.bundle import load_bundle, read_golden
from modelyard.runtimes.golden import mismatches
from modelyard.testing.data.series import PASSENGERS, passengers_csv
from modelyard.types.models import Task
from modelyard.types.serving.forecasts import MEAN, QUANTILES, SERIES, takes_series

YEAR = {"horizon": 12}
WINNING = "ensemble-forecasting"


def day(number, hour=0):
    return str(np.datetime64("2026-01-05T00") + np.timedelta64(number * 24 + hour, "h")).replace("T", " ") + ":00:00"


def table(rows, head="time,value"):
    return "\n".join([head, *(",".join(map(str, row)) for row in rows)])


@pytest.mark.parametrize(
    ("algorithm", "given", "most"),
    [
        ("seasonal-naive-forecasting", {}, 1.7),
        ("exponential-smoothing-forecasting", {"transform": "log"}, 0.7),
        ("linear-forecasting", {}, 0.8),
        ("boosted-trees-forecasting", {"rounds": 50}, 1.0),
        ("ensemble-forecasting", {}, 0.6),
    ],
)
def test_a_year_of_passengers_is_forecast_by_an_onnx_file(workshop, algorithm, given, most):
    channel = workshop.csv(passengers_csv())
    folder, figures = workshop.train(algorithm, channel, target="passengers", hyperparameters=YEAR | given)
    manifest, predictor = load_bundle(folder)
    assert manifest.card.task == Task.FORECASTING
    assert manifest.card.parity.is_equal
    assert takes_series(manifest.signature)
    assert mismatches(read_golden(folder), predictor.predict) == []
    assert figures["mase"] < most
    assert manifest.card.custom["frequency"] == "M"
    past = PASSENGERS[-36:].astype(np.float32)[None]
    answer = predictor.predict({SERIES: past})
    assert (answer[MEAN].shape, answer[QUANTILES].shape) == ((1, 12), (1, 99, 12))
    assert (np.diff(answer[QUANTILES], axis=1) >= 0).all()
    scaled = predictor.predict({SERIES: past * 1000})
    np.testing.assert_allclose(scaled[MEAN], answer[MEAN] * 1000, rtol=1e-3, err_msg="units do not matter")


def test_two_trainings_give_the_same_bytes(workshop):
    channel = workshop.csv(passengers_csv())
    contents = []
    for name in ("one", "two"):
        folder, _ = workshop.train(WINNING, channel, name=name, target="passengers", hyperparameters=YEAR)
        contents.append((folder / "model.onnx").read_bytes())
    assert contents[0] == contents[1]


def test_a_seasonal_naive_forecast_says_what_was_at_that_time():
    window, horizon, season = 8, 5, 3
    past = np.arange(8.0)[None]
    assert seasonal_naive(window, horizon, season).answers(past).tolist() == [[5, 6, 7, 5, 6]]
    assert seasonal_naive(window, horizon, season, repeats=2).answers(past).tolist() == [[3.5, 4.5, 5.5, 3.5, 4.5]]
    assert seasonal_naive(window, 2, 1).answers(past).tolist() == [[7, 7]]


def test_smoothing_as_a_matrix_is_the_recursion():
    series = PASSENGERS[:36]
    smoothing = Smoothing(level=0.4, trend=0.2, season=0.3, fade=0.9)
    level, trend = series[:12].mean(), (series[12:24].mean() - series[:12].mean()) / 12
    seasons = list(series[:12] - level)
    for at in range(12, 36):
        before, expected = seasons[at % 12], level + 0.9 * trend
        missed = series[at] - expected - before
        level, trend = expected + 0.4 * missed, 0.9 * trend + 0.08 * missed
        seasons[at % 12] = before + 0.3 * 0.6 * missed
    truth = [
        level + trend * sum(0.9**power for power in range(1, h + 1)) + seasons[(36 + h - 1) % 12] for h in (1, 2, 3)
    ]
    np.testing.assert_allclose(smoothing_map(smoothing, 36, 3, 12).answers(series[None])[0], truth, rtol=1e-4)


def test_what_is_held_out_is_in_no_window_that_trains(workshop):
    series = load_series(workshop.csv(passengers_csv()), "passengers", "", "")
    frame = frame_of(series, 12)
    assert (frame.window, frame.seasons, series.frequency) == (36, (12,), "M")
    parts = split_series(series, frame, 0.2)
    last_known = max(parts.train.times) + frame.horizon
    assert last_known <= parts.cut == min(parts.holdout.times)
    assert max(parts.holdout.times) + frame.horizon == len(PASSENGERS)
    trial = split_series(series, frame, 0.2, is_trial=True)
    assert max(trial.holdout.times) + frame.horizon <= parts.cut, "a trial does not look at what is held out"
    assert max(trial.train.times) + frame.horizon <= min(trial.holdout.times)


@pytest.mark.parametrize(
    ("rows", "frequency", "seasons"),
    [
        ([(day(at // 24, at % 24), at) for at in range(1200)], "H", (24, 168)),
        ([(day(at), at) for at in range(60)], "D", (7,)),
        ([(day(at), at) for at in range(60) if at % 7 < 5], "B", (5,)),
        ([(day(7 * at), at) for at in range(150)], "W", (52,)),
        ([(f"{2000 + at // 4}-{at % 4 * 3 + 1:02d}-01", at) for at in range(40)], "Q", (4,)),
        ([(f"{1900 + at}-12-31", at + 5 * np.sin(at * 2 * np.pi / 11)) for at in range(99)], "Y", (11,)),
    ],
)
def test_frequency_and_seasons_are_found(workshop, rows, frequency, seasons):
    series = load_series(workshop.csv(table(rows)), "value", "time", "")
    assert (series.frequency, series.seasons, series.gaps) == (frequency, seasons, 0)


def test_several_series_gaps_and_repeated_times_are_told(workshop):
    rows = [(day(at), name, at * size) for at in range(50) for name, size in (("a", 1), ("b", 10)) if at not in (7, 8)]
    rows += [(day(3), "a", 5), (day(49), "still", 2), (day(48), "still", 2)]
    series = load_series(workshop.csv(table(rows, "time,shop,value")), "value", "", "shop")
    assert [(each.name, each.first, len(each.values)) for each in series.series] == [
        ("a", 0, 50),
        ("b", 0, 50),
        ("still", 48, 2),
    ]
    assert (series.gaps, series.repeated, series.constant, series.left_out) == (4, 1, 1, 0)
    assert series.series[1].values[6:10].tolist() == [60, 70, 80, 90], "a straight line bridges a gap"
    assert series.series[0].values[3] == 4, "the mean of two rows"
    assert len(series.findings) == 3


def test_no_window_ends_in_a_gap_whose_bridge_tells_what_comes_next(workshop):
    rows = [(day(at), at * at % 11) for at in range(120) if at % 5 != 3]
    series = load_series(workshop.csv(table(rows)), "value", "", "")
    parts = split_series(series, frame_of(series, 2), 0.2)
    times = np.concatenate([parts.train.times, parts.holdout.times])
    assert {*((times - 1) % 5).tolist()} == {0, 1, 2, 4}


def test_a_series_of_more_gaps_than_values_is_left_out_and_the_findings_say_so(workshop):
    rows = [(day(at), "whole", at % 7) for at in range(60)] + [(day(9 * at), "few", at) for at in range(6)]
    series = load_series(workshop.csv(table(rows, "time,shop,value")), "value", "", "shop")
    assert [each.name for each in series.series] == ["whole"]
    assert (series.gaps, series.left_out) == (0, 1)
    assert series.findings == ("Series of more steps without a row than with one, which are left out: 1.",)


@pytest.mark.parametrize("algorithm", ["seasonal-naive-forecasting", "exponential-smoothing-forecasting"])
def test_the_shortest_window_is_two_values(workshop, algorithm):
    given = YEAR | {"window": 1, "season": 12}
    folder, _ = workshop.train(algorithm, workshop.csv(passengers_csv()), target="passengers", hyperparameters=given)
    manifest, _ = load_bundle(folder)
    assert manifest.card.custom["window"] == 2


@pytest.mark.parametrize(
    ("rows", "head", "series_column", "error", "words"),
    [
        ([(day(at), 5) for at in range(40)], "time,value", "", TargetInvalidError, "single value"),
        ([(day(at), "x") for at in range(40)], "time,value", "", TargetInvalidError, "no numbers"),
        ([(at, at) for at in range(40)], "place,value", "", ColumnsInvalidError, "no column of times"),
        ([(day(at // 2), at) for at in range(40)], "time,value", "", ColumnsInvalidError, "the time of another row"),
        ([(day(at * at), at) for at in range(40)], "time,value", "", ColumnsInvalidError, "not evenly spaced"),
        ([(day(at + at // 20 * 99), at) for at in range(40)], "time,value", "", ColumnsInvalidError, "have no row"),
        ([(day(0), at) for at in range(40)], "time,value", "", ColumnsInvalidError, "two different times"),
        ([(day(at), at) for at in range(40)], "time,value", "shop", ColumnsInvalidError, "no column 'shop'"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused_in_words(workshop, rows, head, series_column, error, words):
    with pytest.raises(error, match=words):
        load_series(workshop.csv(table(rows, head)), "value", "", series_column)


def test_series_that_are_too_short_for_the_horizon_are_refused(workshop):
    series = load_series(workshop.csv(table([(day(at), at % 5) for at in range(40)])), "value", "", "")
    with pytest.raises(TooFewRowsError, match="too few to learn 15 steps ahead"):
        split_series(series, frame_of(series, 15), 0.2)


def test_a_logarithm_of_values_below_zero_is_refused(workshop):
    channel = workshop.csv(table([(day(at), at % 5 - 2) for at in range(80)]))
    with pytest.raises(HyperparameterInvalidError, match="values above 0"):
        workshop.train("linear-forecasting", channel, target="value", hyperparameters={"transform": "log"})


def test_two_forecasters_are_compared_on_what_both_have_not_seen(workshop):
    channel = workshop.csv(passengers_csv())
    folders = {}
    for algorithm in ("seasonal-naive-forecasting", "linear-forecasting"):
        folders[algorithm], _ = workshop.train(
            algorithm, channel, name=algorithm, target="passengers", hyperparameters=YEAR
        )
    figures = workshop.evaluate({"new": channel}, folders, target="passengers")
    assert figures["new/linear-forecasting/mase"] < figures["new/seasonal-naive-forecasting/mase"]
    assert figures["new/paired/difference"] > 0
    assert figures["new/linear-forecasting/mase/n"] == 2, "windows that do not overlap"


def test_every_forecaster_says_what_it_measures():
    found = [each for each in catalog.descriptions() if each.task == Task.FORECASTING]
    assert len(found) == 5
    assert all((each.objective, each.is_objective_maximised) == ("mase", False) for each in found)


def test_errors_are_measured_in_units_that_the_held_out_part_has_no_say_in(workshop):
    def scale(values):
        rows = [(day(number), float(value)) for number, value in enumerate(values)]
        found = load_series(workshop.csv(table(rows)), "value", "", "")
        parts = split_series(found, frame_of(found, 7), 0.2)
        return {*parts.train.scales, *parts.holdout.scales}

    calm = np.sin(np.arange(200) * 2 * np.pi / 7) + np.arange(200) / 50
    wild = calm.copy()
    wild[165:] *= np.random.default_rng(0).normal(3, 2, 35)
    assert scale(calm) == scale(wild)


def test_of_several_series_none_says_what_another_one_stops_the_trees_by():
    times = np.repeat(np.arange(40), 5)
    learnt, held = stopping_parts(times, horizon=6)
    assert times[learnt].max() + 6 <= times[held].min()
    assert (len(held), times[held].max()) == (6 * 5, 39)
    assert [len(each) for each in stopping_parts(np.zeros(3, dtype=np.int64), horizon=6)] == [3, 0]
