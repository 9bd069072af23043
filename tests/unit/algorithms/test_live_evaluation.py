"""Figures of live traffic against scikit-learn and SciPy, and intervals against what they promise."""

import numpy as np
import pytest
from scipy.stats import contingency
from sklearn import metrics as reference

from modelyard.algorithms.evaluation.bias import Outcomes, compare_groups, findings
from modelyard.algorithms.evaluation.calibration import (
    brier_of_rows,
    calibration_bins,
    calibration_error,
    probability_scores,
)
from modelyard.algorithms.evaluation.challenge import challenge
from modelyard.algorithms.evaluation.confusion import confusion
from modelyard.algorithms.evaluation.errors import error_figures
from modelyard.algorithms.evaluation.intervals import difference_of_paired, difference_of_shares, ratio_of_shares
from modelyard.algorithms.evaluation.slices import Slices, slice_rows


def named(figures):
    return {figure.name: figure for figure in figures}


def test_figures_of_the_confusion_are_scikit_learns():
    random = np.random.default_rng(0)
    truth = np.array(["a", "b", "c"], dtype=object)[random.integers(0, 3, 400)]
    answer = np.where(random.random(400) < 0.7, truth, "a").astype(object)
    table = confusion(truth, answer)
    got = named(table.figures({"b": {"a": 10.0}}))
    assert got["accuracy"].value == pytest.approx(reference.accuracy_score(truth, answer))
    assert got["balanced_accuracy"].value == pytest.approx(reference.balanced_accuracy_score(truth, answer))
    assert got["macro_f1"].value == pytest.approx(reference.f1_score(truth, answer, average="macro"))
    costs = np.where(truth == answer, 0.0, np.where((truth == "b") & (answer == "a"), 10.0, 1.0))
    assert got["cost"].value == pytest.approx(costs.mean())
    assert got["cost"].high - got["cost"].low == pytest.approx(2 * 1.96 * costs.std(ddof=1) / 20, rel=1e-3)
    matrix = reference.confusion_matrix(truth, answer)
    names = {name: index for index, name in enumerate("abc")}
    cells = {(names[c.truth], names[c.predicted]): c.n for c in table.cells()}
    assert cells == {(int(t), int(a)): int(matrix[t, a]) for t, a in np.argwhere(matrix)}
    assert all(f.low <= f.value <= f.high for f in got.values())


def test_the_interval_of_f1_covers_the_true_value_as_often_as_it_says():
    random = np.random.default_rng(1)
    shares = np.array([0.4, 0.1, 0.1, 0.4])  # truth 0 answered 0, 0 as 1, 1 as 0, 1 as 1: macro F1 is 0.8
    hits = 0
    for _ in range(40):
        cell = random.choice(4, size=200, p=shares)
        figure = named(confusion(cell // 2, cell % 2).figures())["macro_f1"]
        hits += figure.low <= 0.8 <= figure.high
    assert hits >= 34


def test_calibration_is_told_from_overconfidence_and_the_scores_are_scikit_learns():
    random = np.random.default_rng(2)
    positive = random.random(4000)
    truth = (random.random(4000) < positive).astype(int)
    probabilities = np.stack([1 - positive, positive], axis=1)
    given = probabilities[np.arange(4000), truth]
    loss, brier = probability_scores(given, brier_of_rows(probabilities, given))
    assert loss.value == pytest.approx(reference.log_loss(truth, probabilities))
    assert brier.value == pytest.approx(2 * reference.brier_score_loss(truth, positive))
    label = probabilities.argmax(axis=1)
    honest = calibration_error(calibration_bins(probabilities.max(axis=1), label == truth))
    bold = calibration_error(calibration_bins(np.full(4000, 0.99), label == truth))
    assert honest.value < 0.03
    assert bold.low > 0.15
    assert bold.value == pytest.approx(0.99 - (label == truth).mean())


def test_errors_are_scikit_learns_and_r2_has_a_fair_interval():
    random = np.random.default_rng(3)
    truth = random.normal(size=3000)
    answer = truth + random.normal(scale=0.5, size=3000)
    got = named(error_figures(answer, truth))
    assert got["rmse"].value == pytest.approx(reference.root_mean_squared_error(truth, answer))
    assert got["mae"].value == pytest.approx(reference.mean_absolute_error(truth, answer))
    assert got["r2"].value == pytest.approx(reference.r2_score(truth, answer))
    resampled = [reference.r2_score(truth[i], answer[i]) for i in (random.integers(0, 3000, 3000) for _ in range(200))]
    assert (got["r2"].low, got["r2"].high) == pytest.approx(np.percentile(resampled, [2.5, 97.5]), abs=0.006)
    assert named(error_figures(answer[:3], np.ones(3)))["r2"].value is None


def test_two_shares_are_compared_as_the_literature_does():
    # The example of Newcombe 1998, table II, row a: 56/70 less 48/80.
    value, low, high = difference_of_shares((56, 70), (48, 80))
    assert (value, low, high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-4)
    ratio, low, high = ratio_of_shares((56, 70), (48, 80))
    expected = contingency.relative_risk(56, 70, 48, 80)
    assert ratio == pytest.approx(expected.relative_risk)
    assert (low, high) == pytest.approx(tuple(expected.confidence_interval(0.95)), rel=0.03)
    assert ratio_of_shares((5, 10), (0, 10))[0] is None
    assert difference_of_paired(0, 0, 50)[0] == 0
    low, high = difference_of_paired(0, 0, 50)[1:]
    assert low < 0 < high


def test_columns_are_sliced_by_value_or_quantile():
    few = slice_rows(np.array([1.0, 2.0, np.nan, 2.0]))
    assert (few.names, few.of_row.tolist()) == (("1", "2", "missing"), [0, 1, 2, 1])
    many = slice_rows(np.arange(100.0), bins=4)
    assert np.bincount(many.of_row).tolist() == [25, 25, 25, 25]
    assert many.names[0] == "0 to under 24.75"
    words = np.array([f"w{i}" for i in range(30)] + ["w1"] * 5 + [""], dtype=object)
    sliced = slice_rows(words)
    assert sliced.names[-1] == "other"
    assert len(sliced.names) == 21
    assert (sliced.of_row == sliced.names.index("w1")).sum() == 6


def outcomes(random, groups, rate):
    deserving = random.random(len(groups)) < 0.5
    selected = random.random(len(groups)) < np.where(deserving, rate[groups], 0.2)
    known = random.random(len(groups)) < 0.8
    return Outcomes(is_selected=selected, is_known=known, is_deserving=deserving, score=np.full(len(groups), 0.5))


def test_bias_is_found_where_it_is_and_small_groups_are_flagged():
    random = np.random.default_rng(4)
    groups = np.repeat([0, 1, 2], [2000, 1000, 10])
    found = compare_groups(
        outcomes(random, groups, np.array([0.9, 0.5, 0.9])), Slices(("a", "b", "c"), groups), minimum_rows=30
    )
    assert [(g.group, g.is_small, g.is_reference) for g in found] == [
        ("a", False, True),
        ("b", False, False),
        ("c", True, False),
    ]
    worse = named(found[1].differences)["true_positive_rate"]
    assert worse.value == pytest.approx(-0.4, abs=0.06)
    assert worse.high < 0
    equal = named(found[1].differences)["false_positive_rate"]
    assert equal.low < 0 < equal.high
    assert found[2].rates == ()
    assert named(found[0].rates)["calibration_gap"].value == pytest.approx(0, abs=0.05)
    sentences = " ".join(findings(found))
    assert "true_positive_rate of 'b'" in sentences
    assert "'c' has 10 rows" in sentences
    assert "false_positive_rate of 'b'" not in sentences


def test_equal_treatment_raises_few_alarms():
    random = np.random.default_rng(5)
    alarms = 0
    for _ in range(40):
        groups = random.integers(0, 2, 1000)
        found = compare_groups(
            outcomes(random, groups, np.array([0.7, 0.7])), Slices(("a", "b"), groups), minimum_rows=30
        )
        other = next(g for g in found if not g.is_reference)
        difference = named(other.differences)["selection_rate"]
        alarms += not difference.low <= 0 <= difference.high
    assert alarms <= 6


def test_a_better_challenger_with_one_bad_slice_is_seen_through():
    random = np.random.default_rng(6)
    truth = random.integers(0, 2, 4000).astype(object)
    town = random.integers(0, 4, 4000)
    champion = np.where(random.random(4000) < 0.8, truth, 1 - truth).astype(int)
    skill = np.where(town == 2, 0.6, 0.95)
    challenger = np.where(random.random(4000) < skill, truth, 1 - truth).astype(int)
    found = challenge(
        {"label": champion},
        {"label": challenger},
        truth,
        slices={"town": Slices(("n", "e", "s", "w"), town)},
        minimum_rows=30,
    )
    right = [(answers == truth.astype(int)).mean() for answers in (champion, challenger)]
    assert found.difference.value == pytest.approx(right[1] - right[0])
    assert found.difference.low > 0
    assert found.p_value < 1e-6
    assert found.differing.value == (champion != challenger).mean()
    assert (found.slices[0].slice, found.slices[0].is_worse) == ("s", True)
    assert not any(each.is_worse for each in found.slices[1:])
    assert "better" in found.sentence
    assert "worse where town is s" in found.sentence


def test_without_enough_truth_only_changes_are_told():
    truth = np.array([None] * 95 + [1] * 5, dtype=object)
    found = challenge({"label": np.zeros(100, int)}, {"label": np.arange(100) % 2}, truth)
    assert (found.difference.value, found.p_value, found.labelled) == (None, None, 5)
    assert found.differing.value == 0.5
    assert "too few rows: 5 of 30" in found.sentence


def test_regressors_are_compared_by_their_rmse():
    random = np.random.default_rng(7)
    truth = random.normal(size=500).astype(object)
    noise = random.normal(size=500)
    good, bad = truth.astype(float) + 0.5 * noise, truth.astype(float) + noise
    found = challenge({"prediction": bad}, {"prediction": good}, truth)
    before, after = named(found.champion)["rmse"].value, named(found.challenger)["rmse"].value
    assert found.difference.value == pytest.approx(before - after)
    assert found.difference.low > 0.3
    assert found.mean_change.value == pytest.approx(np.abs(0.5 * noise).mean(), rel=1e-6)
