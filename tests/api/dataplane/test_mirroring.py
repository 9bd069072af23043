"""Copies for a version on trial: compared, thrown away, and nobody waits for them."""

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from modelyard.dataplane.demand import DemandFollower
from modelyard.dataplane.gateway.pools.mirroring import agree
from modelyard.dataplane.tensors import OutputRows, WireTensor, whole
from modelyard.testing.scripted_model import client, infer, start_scripted, value_of
from modelyard.testing.serving import Serving, endpoint, variant
from modelyard.types.planning import Outcomes
from modelyard.types.routing import RouteShadow
from modelyard.types.signatures import DataType


def on_trial(serving: Serving, *options: str) -> Serving:
    """The endpoint "echo" with a second version that gets a copy of every request."""
    # Copies may share a batch where their originals had one each, so no answer tells of the number of calls.
    main = variant(start_scripted(serving, "main", "--uncounted"))
    other = replace(
        variant(start_scripted(serving, "trial", "--uncounted", *options), name="main.new", number=2), weight=0.0
    )
    shadow = RouteShadow(variant="main.new", share=1.0)
    serving.publish(replace(endpoint("echo", main, other, capture_share=1.0), shadow=shadow))
    return serving


def outcomes_of(serving: Serving, name: str, condition: Callable[[Outcomes], object]) -> Outcomes:
    follower, deadline = DemandFollower(serving.demand), time.monotonic() + 20
    while True:
        follower.poll()
        found = next((each.outcomes for each in follower.variants if each.variant == name), Outcomes())
        if condition(found):
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def test_every_answer_comes_from_the_old_version_and_the_copies_are_compared(start: Callable[..., Serving]):
    serving = on_trial(start())
    with client(serving) as http:
        assert [value_of(infer(http, value)) for value in range(1, 21)] == list(range(1, 21))
    found = outcomes_of(serving, "main.new", lambda seen: seen.compared == 20)
    assert found == Outcomes(answered=20, compared=20)
    assert outcomes_of(serving, "main", lambda seen: seen.answered) == Outcomes(answered=20)


def test_a_version_that_answers_otherwise_is_seen_and_callers_get_the_old_answers(start: Callable[..., Serving]):
    serving = on_trial(start(), "--offset", "5")
    with client(serving) as http:
        assert [value_of(infer(http, value)) for value in range(1, 11)] == list(range(1, 11))
    assert outcomes_of(serving, "main.new", lambda seen: seen.compared == 10).differing == 10


def test_a_trial_that_breaks_or_dies_disturbs_nobody(start: Callable[..., Serving]):
    serving = start()
    main = variant(start_scripted(serving, "main"))
    trial = start_scripted(serving, "trial")
    other = replace(variant(trial, name="main.new", number=2), weight=0.0)
    shadow = RouteShadow(variant="main.new", share=1.0)
    serving.publish(replace(endpoint("echo", main, other), shadow=shadow))
    with client(serving) as http:
        assert value_of(infer(http, 1)) == 1
        outcomes_of(serving, "main.new", lambda seen: seen.compared == 1)
        trial.kill()
        started = time.monotonic()
        assert [value_of(infer(http, value)) for value in range(50)] == list(range(50))
        assert time.monotonic() - started < 5
    assert outcomes_of(serving, "main", lambda seen: seen.answered == 51).failed == 0


def rows(datatype: DataType, *values: object, name: str = "y") -> OutputRows:
    dtype = {DataType.INT64: np.int64, DataType.FP32: np.float32}[datatype]
    return whole(WireTensor(name, datatype, (len(values),), np.array(values, dtype).tobytes()))


@pytest.mark.parametrize(
    ("first", "second", "is_same"),
    [
        ([rows(DataType.INT64, 1)], [rows(DataType.INT64, 1)], True),
        ([rows(DataType.INT64, 1)], [rows(DataType.INT64, 2)], False),
        (
            [rows(DataType.INT64, 1), rows(DataType.FP32, 0.9, name="p")],
            [rows(DataType.INT64, 1), rows(DataType.FP32, 0.6, name="p")],
            True,
        ),
        ([rows(DataType.FP32, 10.0)], [rows(DataType.FP32, 10.9)], True),
        ([rows(DataType.FP32, 10.0)], [rows(DataType.FP32, 12.0)], False),
        ([rows(DataType.FP32, 10.0)], [rows(DataType.FP32, float("nan"))], False),
        ([rows(DataType.FP32, 10.0)], [rows(DataType.FP32, 10.0, 10.0)], False),
        ([rows(DataType.FP32, 10.0)], [rows(DataType.FP32, 10.0, name="other")], False),
    ],
)
def test_labels_must_be_equal_and_numbers_near(first: list[OutputRows], second: list[OutputRows], is_same: bool):
    assert agree(first, second) is is_same
