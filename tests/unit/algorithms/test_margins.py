"""One-sided tests of margins: exact where they can be, honest about chance, and about how many rows they need."""

import math

import numpy as np
import pytest
from scipy import stats

from modelyard.algorithms.evaluation.margins import PairedErrors, PairedRights, from_figures, sign_p_value, to_figures
from modelyard.algorithms.evaluation.paired import evidence, scores

REPEATS = 2000


def rights(rows, gained, lost):
    return PairedRights(rows=rows, gained=gained, lost=lost)


@pytest.mark.parametrize("rows", [60, 300])
@pytest.mark.parametrize("margin", [0.0, 0.02, 0.05, -0.02, -0.05])
def test_a_true_gain_of_exactly_the_margin_is_taken_for_more_in_one_case_of_twenty(rows, margin):
    random = np.random.default_rng(1)
    gained, lost = 0.1 + max(margin, 0), 0.1 + max(-margin, 0)
    drawn = random.multinomial(rows, [gained, lost, 1 - gained - lost], size=REPEATS)
    found = np.mean([rights(rows, int(a), int(b)).p_value(margin) <= 0.05 for a, b, _ in drawn])
    assert found <= 0.065


def test_a_loss_of_exactly_the_bound_is_taken_for_more_as_rarely_as_is_asked_also_in_small_slices():
    random = np.random.default_rng(2)
    drawn = random.multinomial(25, [0.05, 0.10, 0.85], size=20_000)
    assert np.mean([rights(25, int(a), int(b)).p_value_of_loss(0.05) <= 0.005 for a, b, _ in drawn]) <= 0.005


def test_the_number_of_rows_that_it_says_it_needs_shows_the_gain_as_often_as_it_says():
    seen = rights(50, 6, 1)
    needed = seen.rows_needed(0.02, 0.05)
    random = np.random.default_rng(3)
    drawn = random.multinomial(needed, [0.12, 0.02, 0.86], size=REPEATS)
    power = np.mean([rights(needed, int(a), int(b)).p_value(0.02) <= 0.05 for a, b, _ in drawn])
    assert 0.75 < power < 0.97
    assert rights(50, 6, 5).rows_needed(0.02, 0.05) is None
    assert rights(50, 0, 0).rows_needed(-1e-200, 0.05) is None


def test_without_a_margin_the_score_is_mcnemars():
    assert rights(100, 30, 10).p_value(-1e-12) == pytest.approx(stats.norm.sf(20 / math.sqrt(40)), rel=1e-6)
    assert rights(100, 30, 10).p_value(0) == pytest.approx(stats.binomtest(30, 40, alternative="greater").pvalue)
    assert sign_p_value(3, 0) == 0.125


@pytest.mark.parametrize("margin", [-1.0, -0.5, 0.0, 0.5, 1.0])
@pytest.mark.parametrize("paired", [rights(1, 0, 0), rights(1, 1, 0), rights(1, 0, 1), rights(10, 10, 0)])
def test_extremes_have_a_p_value_too(paired, margin):
    assert 0 <= paired.p_value(margin) <= 1
    assert 0 <= paired.p_value_of_loss(abs(margin)) <= 1


def test_equal_models_are_neither_better_nor_worse():
    same = rights(200, 0, 0)
    assert (same.p_value(0), same.p_value_of_loss(0), same.p_value_of_loss(0.1)) == (1.0, 1.0, 1.0)
    assert same.p_value(-0.05) < 0.01
    alike = PairedErrors(rows=50, first_mean=2, second_mean=2, first_variance=1, second_variance=1, covariance=1)
    assert (alike.p_value(0), alike.p_value_of_loss(0)) == (1.0, 1.0)


def test_errors_are_tested_row_by_row():
    random = np.random.default_rng(4)
    truth = random.normal(size=300)
    noise = random.normal(size=300)
    first, second = {"prediction": truth + noise}, {"prediction": truth + 0.8 * noise}
    one, other = (scores("tabular-regression", answers, truth) for answers in (first, second))
    paired = evidence(one, other)
    assert paired.gain == pytest.approx(0.2)
    assert paired.p_value(0.1) < 1e-6
    assert paired.p_value(0.25) > 0.99
    assert paired.p_value_of_loss(0.05) > 0.99
    assert evidence(other, one).p_value_of_loss(0.1) < 1e-6
    expected = stats.ttest_1samp(noise**2 - 0.64 * noise**2, 0, alternative="greater").pvalue
    assert paired.p_value(0) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    "paired",
    [
        rights(10, 3, 1),
        PairedErrors(rows=9, first_mean=2, second_mean=1, first_variance=3, second_variance=1, covariance=0.5),
    ],
)
def test_evidence_survives_its_way_through_a_jobs_figures(paired):
    figures = to_figures(paired, "new/paired/")
    assert from_figures(figures, "new/paired/") == paired
    assert from_figures(figures | {"new/paired/rows": "many"}, "new/paired/") is None
    assert from_figures(figures | {"new/paired/rows": 0.0}, "new/paired/") is None
    assert from_figures({}, "new/paired/") is None
