"""A version on trial goes back when its answers turn out worse."""

from dataclasses import replace

import pytest

from modelyard.control.feedback.rollout_quality import RolloutQuality, quality_concern
from modelyard.errors import NotFoundError
from modelyard.kit.clock import FakeClock
from modelyard.types.endpoints import Rollout, RolloutPlan, RolloutStatus, Variant
from modelyard.types.monitoring import LiveMetrics

NOW = FakeClock().now()
ROLLOUT = Rollout(
    id="rollout-1",
    endpoint="digits",
    status=RolloutStatus.RUNNING,
    reason="",
    from_variants=(Variant(name="main", model="digits", number=1),),
    to_variants=(Variant(name="main", model="digits", number=2),),
    plan=RolloutPlan(maximum_loss=0.02),
    stage=0,
    stage_since=NOW,
    started_at=NOW,
)


def metric(number: int, value: float | None, n: int, *, name: str = "accuracy", width: float = 0.0) -> LiveMetrics:
    low, high = (None, None) if value is None else (value - width, value + width)
    return LiveMetrics(
        endpoint="digits",
        model_version=f"digits:{number}",
        metric=name,
        value=value,
        low=low,
        high=high,
        n=n,
        since=NOW,
        until=NOW,
    )


@pytest.mark.parametrize(
    ("new", "n", "is_refused"),
    [(0.95, 200, False), (0.93, 200, False), (0.80, 200, True), (0.80, 5, False), (None, 0, False), (0.99, 200, False)],
)
def test_a_lower_accuracy_beyond_chance_is_named_with_both_figures(new, n, is_refused):
    why = quality_concern(ROLLOUT, [metric(1, 0.95, 2000), metric(2, new, n)])
    expected = "its accuracy is 0.800 over 200 answers whose truth is known, digits:1 has 0.950 over 2000"
    assert why == (expected if is_refused else "")


def test_larger_errors_of_numbers_are_named_when_the_intervals_are_apart():
    def why(new: float, width: float, n: int = 100) -> str:
        metrics = [metric(1, 2.0, 500, name="rmse", width=0.1), metric(2, new, n, name="rmse", width=width)]
        return quality_concern(ROLLOUT, metrics)

    assert "its rmse is 3.000 over 100" in why(3.0, 0.3)
    assert not why(3.0, 0.9)
    assert not why(3.0, 0.3, n=10)
    assert not why(2.1, 0.05)


def test_other_versions_and_versions_that_stay_are_not_compared():
    both = replace(ROLLOUT, from_variants=ROLLOUT.to_variants)
    assert not quality_concern(both, [metric(1, 0.95, 2000), metric(2, 0.5, 2000)])
    assert not quality_concern(ROLLOUT, [metric(1, 0.95, 2000), metric(7, 0.5, 2000)])


class Record:
    project, name = "default", "digits"


def test_what_a_sweep_finds_holds_for_the_stage_that_was_asked_about():
    class Known:
        def metrics(self, project, endpoint, window, *, since=None, until=None):
            assert (project, endpoint, since) == ("default", "digits", NOW)
            return [metric(1, 0.95, 2000), metric(2, 0.5, 2000)]

    class Gone:
        def metrics(self, *_, **__):
            raise NotFoundError("gone")

    trial = RolloutQuality()
    trial.sweep(Known())
    assert trial.concern(Record(), ROLLOUT) == ""
    trial.sweep(Gone())
    assert trial.concern(Record(), ROLLOUT) == ""
    trial.sweep(Known())
    assert "its accuracy is 0.500" in trial.concern(Record(), ROLLOUT)
    assert trial.concern(Record(), replace(ROLLOUT, stage=1)) == ""
