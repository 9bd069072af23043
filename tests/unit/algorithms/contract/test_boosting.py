"""LightGBM under AWS's names: the library itself, its classes, categories and held-out rows."""

import json
from pathlib import Path

import lightgbm
import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_wine
from sklearn.model_selection import train_test_split

from modelyard.testing.aws.algorithms import csv, failure, train

FAST = {"num_boost_round": 60, "learning_rate": 0.1, "min_data_in_leaf": 5, "early_stopping_rounds": 10}


def saved(root: Path) -> lightgbm.Booster:
    return lightgbm.Booster(model_file=root / "model" / "model.txt")


def test_lightgbm_classifies_as_the_plain_library_does(tmp_path, capsys):
    features, labels = load_wine(return_X_y=True)
    rows, test, classes, truth = train_test_split(features, labels, random_state=0, stratify=labels)
    channels = {"train": {"data.csv": csv(rows, classes)}, "validation": {"data.csv": csv(test, truth)}}
    assert train(tmp_path, "lightgbm-classification", FAST, channels) == 0
    accuracy = (saved(tmp_path).predict(test).argmax(axis=1) == truth).mean()
    plain = lightgbm.LGBMClassifier(n_estimators=60, min_child_samples=5, verbosity=-1, n_jobs=1).fit(rows, classes)
    assert accuracy >= (plain.booster_.predict(test).argmax(axis=1) == truth).mean() - 0.03
    assert "validation's multi_logloss: " in capsys.readouterr().out


def test_lightgbm_holds_rows_out_and_keeps_the_best_rounds(tmp_path):
    features, labels = load_diabetes(return_X_y=True)
    rows, test, values, truth = train_test_split(features, labels, random_state=0)
    given = {**FAST, "num_boost_round": 400, "metric": "rmse"}
    assert train(tmp_path, "lightgbm-regression", given, {"training": {"train/data.csv": csv(rows, values)}}) == 0
    booster = saved(tmp_path)
    assert 0 < booster.num_trees() < 300
    error = np.abs(booster.predict(test) - truth).mean()
    plain = lightgbm.LGBMRegressor(n_estimators=60, min_child_samples=5, verbosity=-1, n_jobs=1).fit(rows, values)
    assert error < np.abs(plain.booster_.predict(test) - truth).mean() * 1.1


def test_lightgbm_takes_categories_from_the_file_beside_the_table(tmp_path):
    kinds = np.arange(400) % 20
    values = np.random.default_rng(0).permutation(20)[kinds].astype(float)  # the number says nothing, the kind all
    index = json.dumps({"cat_index_list": [1]}).encode()
    files = {"data.csv": csv(kinds[:, None], values), "categorical_index.json": index}
    given = {**FAST, "num_boost_round": 2, "objective": "regression", "cat_smooth": 0, "min_data_per_group": 1}
    assert train(tmp_path, "lightgbm", given, {"train": files}) == 0
    tree = saved(tmp_path).dump_model()["tree_info"][0]["tree_structure"]
    assert tree["decision_type"] == "=="


@pytest.mark.parametrize(
    ("name", "given", "files", "reason"),
    [
        ("lightgbm-classification", {}, {"a.csv": b"1.5,2\n" * 9}, "learns from the labels 0, 1"),
        ("lightgbm-classification", {}, {"a.csv": b"0,2\n" * 9}, "at least two classes"),
        ("lightgbm", {}, {"a.csv": b"1,2\n" * 3}, "none can be held out"),
        ("lightgbm", {"objective": "wonder"}, {"a.csv": b"1,2\n" * 9}, "LightGBM refuses the job"),
        ("lightgbm", {}, {"a.csv": b"1,2\n" * 9, "categorical_index.json": b"{}"}, "categorical_index.json cannot"),
        (
            "lightgbm",
            {},
            {"a.csv": b"1,2\n" * 9, "categorical_index.json": b'{"cat_index_list": [0]}'},
            "none of 1 to 1",
        ),
    ],
)
def test_what_lightgbm_cannot_learn_is_the_clients_error(tmp_path, name, given, files, reason):
    assert train(tmp_path, name, given, {"train": files}) == 2
    assert reason in failure(tmp_path)
