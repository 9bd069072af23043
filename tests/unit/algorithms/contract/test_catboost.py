"""CatBoost under AWS's names, as accurate as the plain library. Run by `make test-catboost`."""

import catboost
import pytest
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split

from modelyard.testing.aws.algorithms import csv, failure, train

FAST = {"iterations": 40, "learning_rate": 0.2, "depth": 4}


@pytest.mark.parametrize("name", ["catboost-classification", "catboost-regression", "catboost"])
def test_catboost_is_the_library_with_its_own_file(tmp_path, name, capsys):
    features, labels = load_wine(return_X_y=True)
    rows, test, classes, truth = train_test_split(features, labels, random_state=0, stratify=labels)
    channels = {"train": {"data.csv": csv(rows, classes)}, "validation": {"data.csv": csv(test, truth)}}
    given = {**FAST, "loss_function": "MultiClass"} if name == "catboost" else FAST
    assert train(tmp_path, name, given, channels) == 0
    model = catboost.CatBoost().load_model(str(tmp_path / "model" / "model.cbm"))
    answers = model.predict(test)
    if name == "catboost-regression":
        assert abs(answers - truth).mean() < 0.25
        assert '"validation:RMSE"' in capsys.readouterr().out
        return
    plain = catboost.CatBoostClassifier(**FAST, verbose=0, allow_writing_files=False, thread_count=1).fit(rows, classes)
    assert (answers.argmax(axis=1) == truth).mean() >= plain.score(test, truth) - 0.03


@pytest.mark.parametrize(
    ("given", "files", "reason"),
    [
        ({"depth": 99}, {"a.csv": b"1,2\n0,3\n" * 9}, "CatBoost refuses the job"),
        ({}, {"a.csv": b"1,2\n0,3\n" * 9, "categorical_index.json": b'{"cat_index_list": [1]}'}, "Categories"),
    ],
)
def test_what_catboost_cannot_learn_is_the_clients_error(tmp_path, given, files, reason):
    assert train(tmp_path, "catboost-classification", given, {"train": files}) == 2
    assert reason in failure(tmp_path)
