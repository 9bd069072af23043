"""Shapley values: against closed forms, against each other, adding up always, in time always."""

import time

import numpy as np
import pytest
import xgboost

from modelyard.algorithms.explanations.players import find_players, mixed
from modelyard.algorithms.explanations.shapley import OutOfTimeError, exact, sampled
from modelyard.types.signatures import DataType, Signature, TensorSpec


def table(width):
    names = tuple(f"c{index}" for index in range(width))
    return Signature(
        inputs=(TensorSpec(name="numeric", datatype=DataType.FP32, shape=(-1, width), columns=names),), outputs=()
    )


def game_of(model, row, background, signature):
    """The game that a model of a matrix makes of a row."""
    players = find_players(signature, {"numeric": row})

    def game(coalitions):
        rows = mixed(players, {"numeric": row}, {"numeric": background}, coalitions)["numeric"]
        return model(rows).reshape(len(coalitions), -1).mean(axis=1)

    return len(players), game


def never():
    return False


@pytest.fixture
def data():
    random = np.random.default_rng(0)
    return random.normal(size=(1, 8)), random.normal(size=(30, 8))


def black_box(rows):
    return np.sin(rows[:, 0] * rows[:, 1] * rows[:, 2]) + rows[:, 3] * np.exp(rows[:, 4] / 2) + (rows[:, 5] > 0)


def test_a_linear_model_gets_its_closed_form_from_either_method(data):
    row, background = data
    weights = np.arange(8.0) - 3
    players, game = game_of(lambda rows: rows @ weights + 5, row, background, table(8))
    expected = weights * (row[0] - background.mean(axis=0))
    for found in (exact(players, game), sampled(players, game, is_time_up=never, most_pairs=3)):
        assert found.values == pytest.approx(expected)
        assert found.errors == pytest.approx(0, abs=1e-12)
        assert found.base + found.values.sum() == pytest.approx(found.whole)


def test_interactions_of_two_are_split_evenly_and_a_pair_of_orders_is_exact_for_them(data):
    row, _ = data
    players, game = game_of(lambda rows: rows[:, 0] * rows[:, 1] + rows[:, 2], row, np.zeros((1, 8)), table(8))
    expected = np.array([row[0, 0] * row[0, 1] / 2] * 2 + [row[0, 2]] + [0.0] * 5)
    assert exact(players, game).values == pytest.approx(expected)
    assert sampled(players, game, is_time_up=never, most_pairs=2).values == pytest.approx(expected)


def test_a_black_box_is_sampled_within_its_standard_errors_and_adds_up(data):
    row, background = data
    players, game = game_of(black_box, row, background, table(8))
    truth = exact(players, game)
    found = sampled(players, game, is_time_up=never, most_pairs=60)
    assert truth.values.sum() == pytest.approx(black_box(row)[0] - black_box(background).mean())
    assert found.values.sum() == pytest.approx(found.whole - found.base, abs=1e-9)
    distance = np.abs(found.values - truth.values)
    assert (distance <= 4 * found.errors + 1e-12).all()
    assert 0 < found.errors.max() < 0.1


def test_sampling_stops_when_it_is_sure_enough(data):
    row, background = data
    calls = []
    players, game = game_of(black_box, row, background, table(8))

    def counted(coalitions):
        calls.append(len(coalitions))
        return game(coalitions)

    sampled(players, counted, is_time_up=never, tolerance=0.2)
    assert len(calls) < 200


def test_the_time_limit_holds_and_what_is_there_by_then_adds_up(data):
    row, background = data

    def slow(rows):
        time.sleep(0.002)
        return black_box(rows)

    players, game = game_of(slow, row, background, table(8))
    deadline = time.monotonic() + 0.2
    found = sampled(players, game, is_time_up=lambda: time.monotonic() > deadline)
    assert time.monotonic() < deadline + 0.1
    assert found.values.sum() == pytest.approx(found.whole - found.base)
    with pytest.raises(OutOfTimeError):
        sampled(players, game, is_time_up=lambda: True)


def test_a_number_is_shown_as_it_was_sent():
    spec = TensorSpec(name="area", datatype=DataType.FP32, shape=(-1, 1))
    row = {"area": np.array([[42.1]], np.float32)}
    (player,) = find_players(Signature(inputs=(spec,), outputs=()), row)
    assert player.value(row) == 42.1


def test_images_are_cut_into_patches_and_texts_are_players_too():
    specs = (
        TensorSpec(name="image", datatype=DataType.FP32, shape=(-1, 28, 28, 3)),
        TensorSpec(name="words", datatype=DataType.BYTES, shape=(-1, 2), columns=("town", "street")),
    )
    random = np.random.default_rng(1)
    row = {"image": random.random((1, 28, 28, 3)), "words": np.array([["Delft", ""]], dtype=object)}
    background = {"image": np.zeros((2, 28, 28, 3)), "words": np.array([["a", "b"], ["c", "d"]], dtype=object)}
    players = find_players(Signature(inputs=specs, outputs=()), row)
    assert len(players) == 66
    assert sum(player.mask.sum() for player in players if player.tensor == "image") == 28 * 28 * 3
    assert [player.value(row) for player in players[-2:]] == ["Delft", None]
    coalitions = np.zeros((2, 66), dtype=bool)
    coalitions[1, [0, 64]] = True
    made = mixed(players, row, background, coalitions)
    assert made["words"].tolist() == [["a", "b"], ["c", "d"], ["Delft", "b"], ["Delft", "d"]]
    assert (made["image"][:2] == 0).all()
    assert (made["image"][2, :3, :3] == row["image"][0, :3, :3]).all()
    assert (made["image"][2, 4:] == 0).all()


def test_a_boosted_model_that_xgboost_made_is_explained_as_it_answers():
    random = np.random.default_rng(2)
    features = random.normal(size=(400, 6)).astype(np.float32)
    target = features[:, 0] * features[:, 1] + np.abs(features[:, 2])
    booster = xgboost.train({"max_depth": 4, "nthread": 1}, xgboost.DMatrix(features, target), 20)
    players, game = game_of(
        lambda rows: booster.inplace_predict(rows).astype(np.float64), features[:1], features[1:40], table(6)
    )
    found = exact(players, game)
    assert found.base + found.values.sum() == pytest.approx(float(booster.inplace_predict(features[:1])[0]), abs=1e-5)
    assert np.abs(found.values[3:]).max() < np.abs(found.values[:3]).max()
