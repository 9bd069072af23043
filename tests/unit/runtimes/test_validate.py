"""Every wrong request gets the error that names the tensor, what was expected and what came."""

import numpy as np
import pytest

from modelyard.runtimes.validate import (
    TensorMissingError,
    TensorShapeError,
    TensorTypeError,
    TensorUnknownError,
    TensorValueError,
    check_inputs,
)
from modelyard.types.signatures import DataType, Signature, TensorSpec

NUMERIC = TensorSpec(name="numeric", datatype=DataType.FP32, shape=(-1, 2), columns=("age", "income"))
CITY = TensorSpec(name="categorical", datatype=DataType.BYTES, shape=(-1, 1), columns=("city",))
SIGNATURE = Signature(inputs=(NUMERIC, CITY), outputs=())
GOOD = {"numeric": np.ones((3, 2), np.float32), "categorical": np.full((3, 1), "Bern", object)}


def test_a_fitting_batch_passes():
    check_inputs(SIGNATURE, GOOD)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"numeric": None}, TensorMissingError, "'numeric' is missing"),
        ({"numerik": np.ones((3, 2), np.float32)}, TensorUnknownError, "'numerik'"),
        ({"numeric": np.ones((3, 2))}, TensorTypeError, "must be FP32, got FP64"),
        ({"numeric": np.ones((3, 3), np.float32)}, TensorShapeError, r"shape \[-1, 2\], got \[3, 3\]"),
        ({"numeric": np.ones(2, np.float32)}, TensorShapeError, r"got \[2\]"),
        ({"numeric": np.ones((0, 2), np.float32)}, TensorShapeError, "no element"),
        ({"numeric": np.ones((2, 2), np.float32)}, TensorShapeError, "has 3 rows"),
        (
            {"numeric": np.array([[1, np.nan]] * 3, np.float32)},
            TensorValueError,
            r"nan at \[0, 1\] \(column 'income'\)",
        ),
        ({"numeric": np.array([[np.inf, 1]] * 3, np.float32)}, TensorValueError, "inf at"),
        ({"categorical": np.full((3, 1), "", object)}, TensorValueError, "empty string"),
    ],
)
def test_a_wrong_batch_is_refused_with_the_reason(change, error, words):
    inputs = {name: array for name, array in {**GOOD, **change}.items() if array is not None}
    with pytest.raises(error, match=words) as refused:
        check_inputs(SIGNATURE, inputs)
    assert refused.value.hint
    assert refused.value.field.startswith("inputs.")


def test_a_misspelt_name_is_answered_with_the_right_one():
    with pytest.raises(TensorUnknownError) as refused:
        check_inputs(SIGNATURE, {**GOOD, "numerik": GOOD["numeric"]})
    assert "Did you mean 'numeric'?" in refused.value.hint


def test_missing_values_pass_where_the_signature_allows_them_but_infinities_never_do():
    spec = TensorSpec(name="numeric", datatype=DataType.FP32, shape=(-1, 2), allows_missing=True)
    signature = Signature(inputs=(spec,), outputs=())
    check_inputs(signature, {"numeric": np.array([[np.nan, 1]], np.float32)})
    with pytest.raises(TensorValueError):
        check_inputs(signature, {"numeric": np.array([[np.nan, np.inf]], np.float32)})
