"""AutoML of time series: points of the past, each asked for what was not known then."""

import numpy as np
import pytest

from modelyard.algorithms.automl.errors import AutoMLInvalidError
from modelyard.algorithms.automl.judging.blending import blend
from modelyard.algorithms.automl.judging.feasibility import estimate, on_half
from modelyard.algorithms.automl.judging.folds import CrossValidation
from modelyard.algorithms.automl.judging.objectives import find_objective
from modelyard.algorithms.automl.tasks.catalog import open_subject
from modelyard.algorithms.catalog import describe
from modelyard.algorithms.errors import TooFewRowsError
from modelyard.algorithms.hyperparameters import complete
from modelyard.algorithms.run import JobContext
from modelyard.testing.data.series import passengers_csv
from modelyard.types.automl.recipes import AutoMLRecipe, AutoMLTask
from modelyard.types.automl.reports import Outlook

YEAR = AutoMLRecipe(task=AutoMLTask.FORECASTING, horizon=12)


@pytest.fixture
def judges(workshop):
    subject = open_subject(workshop.csv(passengers_csv()), "passengers", YEAR)
    return CrossValidation(subject=subject, fold=subject.deal(0), objective=find_objective("", subject))


def judge(judges, tmp_path, algorithm, given):
    wanted = complete(describe(algorithm), {**given, **judges.subject.shared})
    return judges.judge(algorithm, wanted, JobContext(seed=0, threads=1, target="passengers", output=tmp_path))


def test_folds_follow_each_other_in_time_and_learn_only_from_before(judges, tmp_path, monkeypatch):
    fold, times = judges.fold[0], judges.subject.windows.times
    assert (np.diff(fold) >= 0).all()
    assert judges.folds == 5
    seen = []
    monkeypatch.setattr(
        "modelyard.algorithms.automl.tasks.series.fit_forecaster",
        lambda algorithm, windows, given, context: seen.append(windows.times) or _Flat(),
    )
    judge(judges, tmp_path, "linear-forecasting", {})
    for number, learnt in enumerate(seen):
        assert max(learnt) + 12 <= min(times[fold == number])


def test_the_weights_of_a_fold_are_chosen_by_what_was_known_before_it(judges):
    truth, fold = judges.subject.target[:, :-1], judges.fold
    early = (fold < 3)[..., None]
    good_at_first, good_at_last = np.where(early, truth, 1.5 * truth), np.where(early, 1.5 * truth, truth)
    found = blend([good_at_first.astype(np.float32), good_at_last.astype(np.float32)], judges, seed=0)
    alike = {
        number: judges.objective.score(judges.subject.target[fold[0] == number], 1.25 * truth[fold[0] == number])
        for number in (0, 1, 3)
    }
    assert found.scores[:2] == pytest.approx((alike[0], alike[1]), rel=1e-4), "nothing that is over tells them apart"
    assert found.scores[2] == pytest.approx(0, abs=1e-4)
    assert found.scores[3] == pytest.approx(2 * alike[3], rel=1e-4), "the one that was good until then"


class _Flat:
    def answers(self, pasts):
        return np.repeat(pasts[:, -1:], 12, axis=1)

    def nodes(self, graph, past):
        from modelyard.algorithms.forecasting.naive import seasonal_naive

        return seasonal_naive(36, 12, 1).nodes(graph, past)


def test_candidates_are_judged_beside_the_seasonal_naive_forecast(judges, tmp_path):
    subject = judges.subject
    scores = {
        algorithm: float(np.mean(judge(judges, tmp_path, algorithm, given).scores))
        for algorithm, given in subject.start
        if "trees" not in algorithm
    }
    guess = [judges.objective.score(subject.target[j], subject.guess(a, j)) for _, a, j in judges.splits()]
    assert judges.objective.name == "mase"
    assert max(scores["linear-forecasting"], scores["exponential-smoothing-forecasting"]) < np.mean(guess)


def test_what_can_be_expected_is_told_before_the_time_is_spent(judges, tmp_path):
    algorithm, given = judges.subject.start[0]
    quick = judge(judges, tmp_path, algorithm, given)
    halved = on_half(judges)
    half = judge(halved, tmp_path, algorithm, given)
    found = estimate(judges, quick, half, seconds=1.0, left=60.0)
    assert found.outlook is Outlook.GOOD
    assert "the seasonal naive forecast has" in found.reason
    assert len(halved.subject.windows.times) < len(judges.subject.windows.times)
    profile = judges.subject.profile(0)
    assert (profile.rows, profile.held_out_rows, profile.series.frequency) == (144, 29, "M")
    assert (profile.series.seasons, profile.series.window, profile.series.gaps) == ((12,), 36, 0)


def test_trees_settle_on_a_number_of_rounds(judges, tmp_path):
    given = {"rounds": 30, "early_stopping_rounds": 3, "max_depth": 3}
    found = judge(judges, tmp_path, "boosted-trees-forecasting", given)
    assert found.settled["early_stopping_rounds"] == 0
    assert 1 <= found.settled["rounds"] <= 30
    assert found.latency_ms > 0


def test_a_forecast_needs_a_horizon_that_the_series_allow(workshop):
    channel = workshop.csv(passengers_csv())
    with pytest.raises(AutoMLInvalidError, match="needs a horizon"):
        open_subject(channel, "passengers", AutoMLRecipe(task=AutoMLTask.FORECASTING))
    with pytest.raises(TooFewRowsError):
        open_subject(channel, "passengers", AutoMLRecipe(task=AutoMLTask.FORECASTING, horizon=60)).deal(0)
