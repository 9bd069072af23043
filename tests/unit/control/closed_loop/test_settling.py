"""Truth finds its capture whichever came first, and what is about nothing is counted and said."""

from datetime import timedelta

from modelyard.control.feedback.service import NewTruth
from modelyard.types.monitoring import FeedbackSummary

DAY = timedelta(days=1)


def summary(world) -> FeedbackSummary:
    return world.feedback.summary("default", "points", DAY)


def test_truth_is_matched_before_and_after_its_capture_arrives(world):
    first, second = world.traffic(3), world.records(2)
    world.label(first)
    world.label(second)
    assert summary(world).pending == 5
    assert world.settling.run_once() == 3
    world.clock.sleep(3600)
    world.settling.run_once()
    world.write(second)
    world.ingest.run_once()
    assert world.settling.run_once() == 2
    assert world.settling.run_once() == 0
    found = summary(world)
    assert (found.matched, found.pending, found.unknown, found.labels) == (5, 0, 0, 5)


def test_truth_about_nothing_is_unknown_after_a_day_and_said(world):
    world.traffic(1)
    world.feedback.record("default", "points", [NewTruth("inf-000000-typo", [1]), NewTruth("zzz", [1, 0])])
    world.settling.run_once()
    world.clock.sleep(86400 - 60)
    world.settling.run_once()
    assert (summary(world).pending, summary(world).unknown) == (2, 0)
    world.clock.sleep(120)
    world.settling.run_once()
    assert (summary(world).pending, summary(world).unknown) == (0, 2)
    assert world.event_kinds().count("feedback_unknown") == 1


def test_a_capture_that_comes_after_its_truth_was_given_up_still_counts(world):
    records = world.records(1)
    world.label(records)
    world.settling.run_once()
    world.clock.sleep(86400 * 3)
    world.settling.run_once()
    assert summary(world).unknown == 1
    world.write(records)
    world.ingest.run_once()
    assert world.settling.run_once() == 1
    assert (summary(world).matched, summary(world).unknown) == (1, 0)


def test_late_duplicate_and_conflicting_truth_is_counted(world):
    records = world.traffic(4)
    world.clock.sleep(3600)
    world.label(records[:2])
    world.label(records[:2])
    world.label(records[:1], is_right=False)
    world.clock.sleep(86400 * 2)
    world.label(records[2:])
    world.settling.run_once()
    found = summary(world)
    assert (found.late, found.duplicates, found.conflicting, found.inferences) == (2, 2, 1, 4)
    assert found.mean_delay_seconds is not None
    assert 86400 < found.mean_delay_seconds < 86400 * 2
