"""The gate, as a pure function."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.control.retraining.proof.gate import Margins, judge
from modelyard.types.retraining.rules import GateRules

BARE = GateRules(significance_level=0.5)
counts = st.integers(0, 400)
margins = st.floats(0, 0.3)


def channel(name: str, rows: int, running: int, candidate: int, common: int | None = None) -> dict[str, str | float]:
    """Figures of a channel in which the versions answered so many rows rightly, `common` of them both."""
    both = min(running, candidate) if common is None else common
    return {
        f"{name}/m:1/accuracy": running / rows,
        f"{name}/m:2/accuracy": candidate / rows,
        f"{name}/paired/rows": float(rows),
        f"{name}/paired/gained": float(candidate - both),
        f"{name}/paired/lost": float(running - both),
    }


def errors(name: str, running: float, candidate: float, rows: int = 400, spread: float = 1.0) -> dict[str, str | float]:
    """Figures of a channel with these RMSE; the squared errors of both vary by themselves."""
    first, second = running**2, candidate**2
    return {
        f"{name}/m:1/rmse": running,
        f"{name}/m:2/rmse": candidate,
        f"{name}/paired/rows": float(rows),
        f"{name}/paired/first_mean": first,
        f"{name}/paired/second_mean": second,
        f"{name}/paired/first_variance": spread * first**2,
        f"{name}/paired/second_variance": spread * second**2,
        f"{name}/paired/covariance": 0.9 * spread * first * second,
    }


def weakest(name: str, slice_name: str, p_value: float) -> dict[str, str | float]:
    figures = {"rows": 210.0, "first": 0.88, "second": 0.61, "p_value": p_value, "slices": 12.0}
    return {f"{name}/slice/name": slice_name} | {f"{name}/slice/{part}": value for part, value in figures.items()}


GOOD = channel("old", 1000, 970, 965) | channel("new", 200, 140, 190)


def decide(figures, gain=0.02, loss=0.02, rules=GateRules(), labelled=None):  # noqa: B008
    margin = Margins(gain=gain, loss=loss, labelled_rows=labelled)
    return judge(figures, running="m:1", candidate="m:2", margins=margin, rules=rules)


def test_better_on_the_new_and_no_worse_on_the_old_passes_with_its_figures():
    judgement = decide(GOOD)
    assert judgement.is_passed
    assert judgement.reason == (
        "m:2 is better than m:1: on the new rows accuracy is 0.950 instead of 0.700, "
        "on the old rows 0.965 instead of 0.970."
    )
    assert judgement.figures["gain_new"] == pytest.approx(0.25)
    assert judgement.figures["loss_old"] == pytest.approx(0.005)
    assert (judgement.figures["rows_new"], judgement.figures["rows_old"]) == (200, 1000)
    assert judgement.figures["p_value_new"] < 1e-6
    assert judgement.figures["p_value_old"] < 0.01


def test_a_version_that_may_be_worse_and_is_passes_without_being_called_better():
    judgement = decide(channel("old", 1000, 970, 970) | channel("new", 400, 372, 371), gain=-0.1)
    assert judgement.is_passed
    assert judgement.reason.startswith(
        "m:2 is at most 0.1 worse than m:1: on the new rows accuracy is 0.927 instead of"
    )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ((970, 970), (180, 182), "it is not better by the required 0.02 on the new rows (+0.010)"),
        ((970, 900), (140, 190), "it loses more than the allowed 0.02 on the old rows (0.070)"),
        ((970, 500), (140, 100), "(-0.200) and it loses more"),
    ],
)
def test_a_refusal_says_which_condition_failed_and_by_how_much(old, new, said):
    judgement = decide(channel("old", 1000, *old) | channel("new", 200, *new))
    assert not judgement.is_passed
    assert said in judgement.reason


def test_a_gain_that_chance_may_have_made_is_refused_with_the_number_of_labels_it_needs():
    judgement = decide(channel("old", 1000, 970, 970) | channel("new", 30, 24, 26, common=23), labelled=150)
    assert not judgement.is_passed
    assert "that it is better by 0.02 on the new rows is not certain (p = " in judgement.reason
    assert "with 30 held-out rows, 0.05 is allowed): it needs about 2,300 labelled rows" in judgement.reason


def test_rows_that_could_never_have_shown_the_margin_are_said_to_be_too_few():
    judgement = decide(channel("old", 1000, 970, 970) | channel("new", 10, 9, 9), gain=0.1, labelled=50)
    assert "it is not better by the required 0.1" in judgement.reason
    assert "10 held-out rows could not have shown it" in judgement.reason


def test_too_few_old_rows_cannot_show_that_nothing_is_lost():
    judgement = decide(channel("old", 50, 48, 48) | channel("new", 200, 140, 190))
    assert not judgement.is_passed
    assert "that it loses at most 0.02 on the old rows is not certain" in judgement.reason
    assert "held-out rows" in judgement.reason
    assert decide(channel("old", 200, 198, 198) | channel("new", 200, 140, 190)).is_passed


def test_where_no_loss_is_allowed_only_a_certain_loss_refuses():
    new = channel("new", 200, 140, 190)
    assert decide(channel("old", 500, 480, 480) | new, loss=0).is_passed
    assert decide(channel("old", 500, 480, 478, common=475) | new, loss=0).is_passed
    assert not decide(channel("old", 500, 480, 460) | new, loss=0).is_passed


def test_a_slice_that_is_certainly_worse_refuses_the_version_and_is_named():
    judgement = decide(GOOD | weakest("new", "region = 'north'", 0.001))
    assert not judgement.is_passed
    assert "it is worse where region = 'north': 0.61 instead of 0.88, n = 210 new rows" in judgement.reason
    assert judgement.figures["slice_new_candidate"] == 0.61
    assert judgement.figures["slice_new_p_value"] == 0.002
    assert "worse where x > 3" in decide(GOOD | weakest("old", "x > 3", 0.001)).reason


def test_a_slice_that_chance_may_have_picked_refuses_nothing():
    assert decide(GOOD | weakest("new", "region = 'north'", 0.03)).is_passed  # 0.06 over both channels


def test_errors_are_compared_as_shares_of_the_running_versions_error():
    assert decide(errors("old", 10, 10.05) | errors("new", 20, 15), gain=0.2, loss=0.1).is_passed
    assert not decide(errors("old", 10, 12) | errors("new", 20, 15), gain=0.2, loss=0.1).is_passed
    assert not decide(errors("old", 10, 10) | errors("new", 20, 18), gain=0.2, loss=0.1).is_passed
    assert "rmse is 15.000 instead of 20.000" in decide(errors("old", 9, 9) | errors("new", 20, 15), loss=0.1).reason
    few = decide(errors("old", 10, 10) | errors("new", 20, 17, rows=8), gain=0.02, loss=0.1)
    assert "is not certain" in few.reason


@pytest.mark.parametrize("missing", ["old/m:1/accuracy", "old/m:2/accuracy", "new/m:1/accuracy", "new/m:2/accuracy"])
@pytest.mark.parametrize("value", [None, math.nan, math.inf, "high"])
def test_a_figure_that_is_missing_or_no_number_never_passes(missing, value):
    figures = dict(GOOD)
    figures.pop(missing)
    if value is not None:
        figures[missing] = value
    judgement = decide(figures)
    assert not judgement.is_passed
    assert judgement.reason


def test_figures_without_a_comparison_row_by_row_never_pass():
    judgement = decide({name: value for name, value in GOOD.items() if "paired" not in name})
    assert "were not compared row by row" in judgement.reason


@given(counts, counts, counts, counts, margins, margins)
def test_whatever_passes_is_better_by_the_margin_and_worse_by_the_bound_at_most(old1, old2, new1, new2, gain, loss):
    figures = channel("old", 400, old1, old2) | channel("new", 400, new1, new2)
    if decide(figures, gain, loss).is_passed:
        assert (new2 - new1) / 400 >= gain - 1e-9
        assert (old1 - old2) / 400 <= loss + 1e-9 or loss == 0
        assert decide(figures, gain, loss, BARE).is_passed


@given(counts, counts, counts, counts, margins, margins)
def test_a_better_candidate_never_loses_a_pass(old1, old2, new1, new2, gain, loss):
    if decide(channel("old", 400, old1, old2) | channel("new", 400, new1, new2), gain, loss).is_passed:
        better = channel("old", 400, old1, min(400, old2 + 40)) | channel("new", 400, new1, min(400, new2 + 40))
        assert decide(better, gain, loss).is_passed


@given(counts, counts, st.floats(0, 0.5))
def test_an_equal_candidate_never_passes_where_a_gain_is_asked(old, new, gain):
    assert not decide(channel("old", 400, old, old) | channel("new", 400, new, new), gain).is_passed
