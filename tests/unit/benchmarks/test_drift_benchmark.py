"""The figures that the drift benchmark prints about data with known answers."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def measured(part: str) -> dict[str, list[dict]]:
    command = [sys.executable, "-m", "benchmarks.drift", part, "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=280)
    found: dict[str, list[dict]] = {}
    for each in json.loads(done.stdout):
        found.setdefault(each["set"], []).append(each)
    return found


@pytest.mark.slow
def test_the_known_drift_of_the_nannyml_sets_is_found_and_its_columns_are_named():
    sets = {name: found[0] for name, found in measured("known").items()}
    assert all(found["quiet_alarms"] == 0 for found in sets.values())
    for found in sets.values():
        half = len(found["verdicts"]) // 2
        assert found["verdicts"] == ["NO_DRIFT"] * half + ["DRIFT"] * half
    named = {"car_value", "salary_range", "repaid_loan_on_prev_car", "loan_length"}
    assert named <= {column.split()[0] for column in sets["car loan"]["columns"][-1]}
    assert "driver_tenure distribution" not in sets["car loan"]["columns"][-1]
    damage = {"driver_tenure missing", "salary_range missing", "size_of_downpayment never_seen"}
    assert damage <= set(sets["car loan, damaged"]["columns"][-1])


@pytest.mark.slow
def test_quality_estimated_without_truth_is_close_to_the_truth_where_only_the_inputs_changed():
    sets = measured("estimates")
    for name in ("car loan", "work from home"):
        for found in sets[name]:
            assert found["mean_error"] < 0.005
            assert found["largest_error"] < 0.02
    (cards,) = sets["credit cards"]  # here the truth itself changed, which no estimate can see in full
    assert cards["true_first"] - cards["true_last"] > 0.15
    assert cards["estimated_first"] - cards["estimated_last"] > 0.1
    error, squared = sets["car price"]
    for found in (error, squared):
        assert found["true_last"] < 0.87 * found["true_first"]
        assert found["estimated_last"] < 0.9 * found["estimated_first"]
        assert found["mean_error"] < 0.04 * found["true_first"]
        assert found["largest_error"] < 0.08 * found["true_first"]
