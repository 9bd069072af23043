"""The random cut forest on real data: anomalies score higher, about as well as an isolation forest tells them."""

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score

from modelyard.testing.aws.algorithms import answers, csv, failure, train

UNLABELLED = "text/csv;label_size=0"


def test_rare_rows_score_higher_than_the_others(tmp_path, capsys):
    features, labels = load_breast_cancer(return_X_y=True)
    rows = (features / features.std(axis=0)).astype(np.float32)
    few = np.random.default_rng(0).choice(np.flatnonzero(labels == 0), 20, replace=False)
    chosen = np.concatenate([np.flatnonzero(labels == 1), few])
    rows, is_rare = rows[chosen], labels[chosen] == 0
    channels = {"train": {"a.csv": csv(rows, None)}, "test": {"a.csv": csv(rows, is_rare)}}
    given = {"feature_dim": 30, "num_trees": 40, "num_samples_per_tree": 128}
    assert train(tmp_path, "random-cut-forest", given, channels, UNLABELLED, test="text/csv;label_size=1") == 0
    assert "test f1 <score>=" in capsys.readouterr().out
    scores = answers(tmp_path, rows)["score"]
    plain = -IsolationForest(n_estimators=40, max_samples=128, random_state=0).fit(rows).score_samples(rows)
    assert roc_auc_score(is_rare, scores) > roc_auc_score(is_rare, plain) - 0.05
    assert answers(tmp_path, rows[:1] * 50)["score"] > scores.max() * 2


def test_equal_rows_are_not_cut_and_what_differs_from_them_stands_out(tmp_path):
    same = np.ones((50, 2), np.float32)
    assert (
        train(tmp_path, "random-cut-forest", {"num_trees": 5}, {"train": {"a.csv": csv(same, None)}}, UNLABELLED) == 0
    )
    usual, other = answers(tmp_path, np.array([[1, 1], [2, 1]], np.float32))["score"]
    assert other > 2 * usual


def test_a_test_of_another_width_is_the_clients_error(tmp_path):
    channels = {"train": {"a.csv": b"1,2\n3,4\n"}, "test": {"a.csv": b"1,2\n"}}
    given = {"num_trees": 2}
    assert train(tmp_path, "random-cut-forest", given, channels, UNLABELLED, test="text/csv;label_size=1") == 2
    assert "has 1 features, one of the training 2" in failure(tmp_path)
