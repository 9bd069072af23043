"""The parity gate lets equal models pass and finds each kind of difference."""

import numpy as np
import pytest

from modelyard.runtimes.base import Predictor
from modelyard.runtimes.formats.answers import classifier_outputs, classify, softmax, table_input
from modelyard.runtimes.golden import make_golden, mismatches
from modelyard.runtimes.parity import check_parity
from modelyard.types.signatures import Signature

SIGNATURE = Signature(inputs=table_input((), 3, allows_missing=True), outputs=classifier_outputs(["0", "1", "2"]))


class Softmax(Predictor):
    def __init__(self, change=lambda p, x: p):
        self._change = change

    def predict(self, inputs):
        rows = inputs["numeric"].astype(np.float64)
        return classify(SIGNATURE, self._change(softmax(np.nan_to_num(rows)), rows))


def swapped_on_nan(probabilities, rows):
    return np.where(np.isnan(rows).any(axis=1, keepdims=True), probabilities[:, ::-1], probabilities)


@pytest.mark.parametrize(
    ("change", "is_equal"),
    [
        (lambda p, x: p, True),
        (lambda p, x: p + 1e-6, True),
        (lambda p, x: p + 1e-3, False),
        (lambda p, x: p[:, ::-1], False),
        (swapped_on_nan, False),
        (lambda p, x: np.where(x > 99, np.nan, p), False),
    ],
)
def test_only_equal_models_pass(change, is_equal):
    parity = check_parity(Softmax(), Softmax(change), SIGNATURE)
    assert parity.is_equal == is_equal
    assert bool(parity.note) != is_equal


def test_a_golden_set_is_the_same_each_time_and_finds_another_model():
    rows = {"numeric": np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)}
    golden = make_golden(Softmax(), rows)
    assert golden == make_golden(Softmax(), rows)
    assert mismatches(golden, Softmax().predict) == []
    found = mismatches(golden, Softmax(lambda p, x: p[:, ::-1]).predict)
    assert any("label" in sentence for sentence in found)
    assert any("probabilities" in sentence for sentence in found)
