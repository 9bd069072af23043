"""Quality that is looked at after every row: no more false alarms for it, and a fall is found soon."""

import numpy as np
import pytest

from modelyard.drift.features import Column
from modelyard.drift.quality.sequential import Evidence
from modelyard.drift.quality.slices import worst_slices

ALARM = 20.0  # 1/0.05


def first_alarm(evidence: Evidence, scores: np.ndarray, every: int) -> int | None:
    """The row at which a look, every so many rows, finds the alarm."""
    for start in range(0, len(scores), every):
        evidence = evidence.after(scores[start : start + every])
        if evidence.value >= ALARM:
            return start + every
    return None


@pytest.mark.parametrize("baseline", [0.9, 0.6])
def test_looking_often_for_a_long_time_raises_at_most_five_percent_false_alarms(baseline: float):
    random = np.random.default_rng(1)
    streams = random.random((100, 2000)) < baseline
    alarmed = sum(first_alarm(Evidence(baseline=baseline), scores, 40) is not None for scores in streams)
    assert alarmed / len(streams) <= 0.05


def test_a_plain_interval_looked_at_as_often_would_have_cried_wolf():
    random = np.random.default_rng(1)
    streams = random.random((150, 4000)) < 0.9
    counts = np.arange(10, 4001, 10)
    means = streams.cumsum(axis=1)[:, counts - 1] / counts
    is_below = means + 1.645 * np.sqrt(0.9 * 0.1 / counts) < 0.9
    assert is_below.any(axis=1).mean() > 0.15


def test_a_fall_is_found_soon_also_when_it_comes_late():
    random = np.random.default_rng(2)
    delays = []
    for _ in range(15):
        scores = np.concatenate([random.random(5000) < 0.95, random.random(1000) < 0.8])
        found = first_alarm(Evidence(baseline=0.93), scores, 50)
        assert found is not None
        assert found > 5000
        delays.append(found - 5000)
    assert np.median(delays) <= 250


def test_the_band_holds_the_mean_at_every_row_at_once():
    random = np.random.default_rng(3)
    missed = 0
    for _ in range(60):
        evidence = Evidence(baseline=0.5)
        for scores in np.split(random.beta(8, 2, size=2000), 40):
            evidence = evidence.after(scores)
            low, high = evidence.interval
            if not low <= 0.8 <= high:
                missed += 1
                break
    assert missed <= 3
    assert high - low < 0.05


def test_rows_in_parts_are_the_rows_as_a_whole():
    scores = np.random.default_rng(4).random(777)
    whole, parts = Evidence(baseline=0.5).after(scores), Evidence(baseline=0.5)
    for start in range(0, 777, 50):
        parts = parts.after(scores[start : start + 50])
    assert parts.value == pytest.approx(whole.value)
    assert parts.interval == pytest.approx(whole.interval)
    assert (parts.rows, parts.mean) == (777, pytest.approx(scores.mean()))


def test_the_worst_slice_is_named_and_noise_is_not():
    random = np.random.default_rng(5)
    town = random.choice(np.array(["Delft", "Gouda", "Leiden"], dtype=object), size=3000)
    age = random.integers(18, 90, size=3000).astype(np.float64)
    columns = [Column("town", "category", town), Column("age", "number", age)]
    quiet = random.random(3000) < 0.9
    assert worst_slices(columns, quiet) == ()
    scores = random.random(3000) < np.where(town == "Delft", 0.6, 0.95)
    worst, *others = worst_slices(columns, scores)
    assert (worst.column, worst.condition, others) == ("town", "town is 'Delft'", [])
    assert worst.score == pytest.approx(0.6, abs=0.05)
    assert worst.rest == pytest.approx(0.95, abs=0.03)
    old = random.random(3000) < np.where(age > 72, 0.7, 0.95)
    assert worst_slices(columns, old)[0].condition.startswith("age is 7")
