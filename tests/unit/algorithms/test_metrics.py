import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn import metrics as reference

from modelyard.algorithms.evaluation.intervals import bootstrap, wilson
from modelyard.algorithms.evaluation.metrics import measure
from modelyard.algorithms.evaluation.paired import binomial_p_value, compare
from modelyard.types.models import Task


def values(found):
    return {metric.name: metric.value for metric in found}


@pytest.mark.parametrize(("successes", "trials"), [(0, 10), (10, 10), (97, 100), (1, 2)])
def test_the_wilson_interval_is_scipys(successes, trials):
    expected = binomtest(successes, trials).proportion_ci(method="wilson")
    assert wilson(successes, trials) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_a_bootstrap_interval_is_the_same_every_time_and_covers_the_mean_as_theory_says():
    data = np.random.default_rng(1).normal(10, 2, 400)
    low, high = bootstrap(lambda index: float(data[index].mean()), len(data))
    assert (low, high) == bootstrap(lambda index: float(data[index].mean()), len(data))
    assert high - low == pytest.approx(2 * 1.96 * data.std() / np.sqrt(len(data)), rel=0.15)


@pytest.mark.parametrize("names", [("no", "yes"), ("a", "b", "c", "d")])
def test_classification_metrics_are_scikit_learns(names):
    random = np.random.default_rng(2)
    probabilities = random.dirichlet(np.ones(len(names)), 300)
    truth = np.array(names, dtype=object)[random.integers(0, len(names), 300)]
    label = np.array(names, dtype=object)[probabilities.argmax(axis=1)]
    found = measure(Task.TABULAR_CLASSIFICATION, {"label": label, "probabilities": probabilities}, truth, names)
    got = values(found)
    assert got["accuracy"] == pytest.approx(reference.accuracy_score(truth, label))
    assert got["balanced_accuracy"] == pytest.approx(reference.balanced_accuracy_score(truth, label))
    assert got["macro_f1"] == pytest.approx(reference.f1_score(truth, label, average="macro"))
    assert got["log_loss"] == pytest.approx(reference.log_loss(truth, probabilities, labels=names), 1e-5)
    if len(names) == 2:
        assert got["roc_auc"] == pytest.approx(reference.roc_auc_score(truth == "yes", probabilities[:, 1]))
    assert all(metric.low <= metric.value <= metric.high and metric.n == 300 for metric in found)


def test_a_class_that_the_model_does_not_know_counts_as_wrong():
    outputs = {"label": np.array([1, 2]), "probabilities": np.array([[1, 0], [0, 1]], dtype=np.float32)}
    got = values(measure(Task.IMAGE_CLASSIFICATION, outputs, np.array([1, 9]), ("1", "2")))
    assert got["accuracy"] == 0.5
    assert got["log_loss"] == pytest.approx(-np.log(1e-7) / 2)


def test_labels_are_equal_whatever_type_they_come_in():
    for truth in (np.array(["3", "7"]), np.array([3.0, 7.0]), np.array([3, 7], dtype=np.int8)):
        assert values(measure(Task.OTHER, {"label": np.array([3, 7])}, truth, ()))["accuracy"] == 1
    words = {"label": np.array(["true", "false"], dtype=object)}
    assert values(measure(Task.OTHER, words, np.array([True, False]), ()))["accuracy"] == 1


def test_regression_metrics_are_scikit_learns():
    random = np.random.default_rng(3)
    truth = random.normal(size=200)
    predicted = (truth + random.normal(size=200)).astype(np.float32)
    got = values(measure(Task.TABULAR_REGRESSION, {"prediction": predicted}, truth, ()))
    assert got["rmse"] == pytest.approx(reference.root_mean_squared_error(truth, predicted))
    assert got["mae"] == pytest.approx(reference.mean_absolute_error(truth, predicted))
    assert got["r2"] == pytest.approx(reference.r2_score(truth, predicted))


@pytest.mark.parametrize(("gained", "lost"), [(0, 0), (5, 0), (3, 9), (40, 41)])
def test_the_paired_p_value_of_classifiers_is_the_exact_binomial_one(gained, lost):
    expected = binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
    assert binomial_p_value(gained, lost) == pytest.approx(expected)


def test_a_positive_difference_means_that_the_second_model_is_better():
    truth = np.arange(20) % 2
    worse, better = {"label": np.zeros(20, dtype=np.int64)}, {"label": truth}
    found = compare(Task.IMAGE_CLASSIFICATION, worse, better, truth)
    assert found.difference == 0.5
    assert found.p_value == pytest.approx(2 / 2**10)
    numbers = np.random.default_rng(4).normal(size=200)
    bad, good = {"prediction": numbers + 1.0}, {"prediction": numbers + 0.5}
    assert compare(Task.TABULAR_REGRESSION, bad, good, numbers).difference == pytest.approx(0.5)
    assert compare(Task.TABULAR_REGRESSION, bad, good, numbers).p_value < 0.01
    assert compare(Task.TABULAR_REGRESSION, bad, bad, numbers).p_value == 1.0
