"""The gate, as a pure function."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.control.retraining.gate import judge

shares = st.floats(0, 1)
margins = st.floats(0, 0.5)


def result(metric: str, old: tuple[float, float], new: tuple[float, float]) -> dict[str, str | float]:
    """Figures of (running, candidate) on the old and on the new rows."""
    values = {("old", 1): old[0], ("old", 2): old[1], ("new", 1): new[0], ("new", 2): new[1]}
    figures: dict[str, str | float] = {f"{channel}/m:{n}/{metric}": v for (channel, n), v in values.items()}
    return figures | {f"{channel}/m:2/{metric}/n": 50.0 for channel in ("old", "new")}


def decide(figures, gain=0.02, loss=0.01):
    return judge(figures, running="m:1", candidate="m:2", minimum_gain=gain, maximum_loss=loss)


def test_better_on_the_new_and_no_worse_on_the_old_passes_with_its_figures():
    judgement = decide(result("accuracy", (0.97, 0.965), (0.70, 0.95)))
    assert judgement.is_passed
    assert judgement.reason == (
        "m:2 is better than m:1: on the new rows accuracy is 0.950 instead of 0.700, "
        "on the old rows 0.965 instead of 0.970."
    )
    assert judgement.figures["gain_new"] == pytest.approx(0.25)
    assert judgement.figures["loss_old"] == pytest.approx(0.005)
    assert judgement.figures["rows_new"] == 50


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ((0.97, 0.97), (0.90, 0.91), "it is not better by the required 0.02 on the new rows (+0.010)"),
        ((0.97, 0.90), (0.70, 0.95), "it loses more than the allowed 0.01 on the old rows (0.070)"),
        ((0.97, 0.5), (0.7, 0.5), "(-0.200) and it loses more"),
    ],
)
def test_a_refusal_says_which_condition_failed_and_by_how_much(old, new, said):
    judgement = decide(result("accuracy", old, new))
    assert not judgement.is_passed
    assert said in judgement.reason


def test_errors_are_compared_as_shares_of_the_running_versions_error():
    assert decide(result("rmse", (10, 10.05), (20, 15)), gain=0.2).is_passed
    assert not decide(result("rmse", (10, 10.5), (20, 15)), gain=0.2).is_passed
    assert not decide(result("rmse", (10, 10), (20, 18)), gain=0.2).is_passed
    assert decide(result("rmse", (0, 0), (20, 15))).is_passed
    assert not decide(result("rmse", (0, 1), (20, 15))).is_passed


def test_the_figures_say_how_many_rows_and_how_much_chance_are_behind_them():
    figures = result("accuracy", (0.9, 0.9), (0.5, 0.9)) | {"new/paired/p_value": 0.003}
    judgement = decide(figures)
    assert (judgement.figures["rows_new"], judgement.figures["p_value_new"]) == (50, 0.003)
    assert "p_value_old" not in judgement.figures


def test_regressors_are_judged_by_their_root_mean_square_error():
    figures = result("r2", (0.9, 0.9), (0.5, 0.4)) | result("rmse", (10, 10), (20, 10))
    assert "rmse is 10.000 instead of 20.000" in decide(figures).reason


@pytest.mark.parametrize("missing", ["old/m:1/accuracy", "old/m:2/accuracy", "new/m:1/accuracy", "new/m:2/accuracy"])
@pytest.mark.parametrize("value", [None, math.nan, math.inf, "high"])
def test_a_figure_that_is_missing_or_no_number_never_passes(missing, value):
    figures = result("accuracy", (0.9, 0.99), (0.5, 0.99))
    figures.pop(missing)
    if value is not None:
        figures[missing] = value
    judgement = decide(figures)
    assert not judgement.is_passed
    assert judgement.reason


@given(shares, shares, shares, shares, margins, margins)
def test_it_passes_exactly_when_both_conditions_hold(old1, old2, new1, new2, gain, loss):
    passed = decide(result("accuracy", (old1, old2), (new1, new2)), gain, loss).is_passed
    assert passed == (new2 - new1 >= gain - 1e-9 and old1 - old2 <= loss + 1e-9)


@given(shares, shares, shares, shares, margins, margins)
def test_a_better_candidate_never_loses_a_pass(old1, old2, new1, new2, gain, loss):
    if decide(result("accuracy", (old1, old2), (new1, new2)), gain, loss).is_passed:
        better = result("accuracy", (old1, min(1, old2 + 0.1)), (new1, min(1, new2 + 0.1)))
        assert decide(better, gain, loss).is_passed


@given(shares, shares, st.floats(1e-6, 0.5))
def test_an_equal_candidate_never_passes_where_a_gain_is_asked(old, new, gain):
    assert not decide(result("accuracy", (old, old), (new, new)), gain).is_passed
