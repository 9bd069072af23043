"""Tensors survive every form, and wrong ones are refused with a reason."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.runtimes.base import numpy_dtype
from modelyard.runtimes.tensors import TensorInvalidError, from_json, from_raw, to_json, to_raw
from modelyard.types.signatures import DataType
from modelyard.types.tensors import JsonTensor, RawTensor


@given(st.sampled_from(list(DataType)), st.lists(st.integers(0, 4), min_size=1, max_size=3), st.randoms())
def test_every_type_and_shape_comes_back_from_json_and_from_bytes(datatype, shape, random):
    count = int(np.prod(shape))
    if datatype is DataType.BYTES:
        array = np.array([random.choice(["", "a", "grüße", "1"]) for _ in range(count)], dtype=object)
    else:
        array = np.array([random.randint(0, 1 if datatype is DataType.BOOL else 100) for _ in range(count)])
    array = array.astype(numpy_dtype(datatype)).reshape(shape)
    for back in (from_json(to_json("x", array)), from_raw(to_raw("x", array))):
        assert back.dtype == array.dtype
        assert back.shape == array.shape
        assert back.tolist() == array.tolist()


def test_missing_values_are_null_in_json_and_nan_again():
    array = np.array([[1.5, np.nan]], dtype=np.float32)
    tensor = to_json("x", array)
    assert tensor.data == [1.5, None]
    np.testing.assert_array_equal(from_json(tensor), array)


@pytest.mark.parametrize(
    ("datatype", "shape", "data"),
    [
        ("FP32", (1,), ["1.5"]),
        ("FP32", (1,), ["nan"]),
        ("FP32", (2,), [1.0]),
        ("FP32", (-1,), [1.0]),
        ("FP32", (2,), [[1.0, 2.0], [3.0, 4.0]]),
        ("FP32", (2,), [[1.0], 2.0]),
        ("UINT8", (1,), [300]),
        ("UINT8", (1,), [-1]),
        ("INT64", (1,), [1.5]),
        ("INT64", (1,), [None]),
        ("INT64", (1,), [2**70]),
        ("BOOL", (1,), [1]),
        ("BYTES", (1,), [1]),
    ],
)
def test_json_data_that_do_not_fit_are_refused(datatype, shape, data):
    with pytest.raises(TensorInvalidError) as refused:
        from_json(JsonTensor(name="x", datatype=DataType(datatype), shape=shape, data=data))
    assert refused.value.field == "inputs.x"


@pytest.mark.parametrize(
    ("datatype", "shape", "data"),
    [
        ("FP32", (1,), b"abc"),
        ("FP32", (2,), b"abcd"),
        ("BYTES", (1,), b"\x05\0\0\0abc"),
        ("BYTES", (1,), b"\x01\0"),
        ("BYTES", (1,), b"\x01\0\0\0\xff"),
        ("BYTES", (2,), b"\x01\0\0\0a"),
    ],
)
def test_raw_data_that_do_not_fit_are_refused(datatype, shape, data):
    with pytest.raises(TensorInvalidError):
        from_raw(RawTensor(name="x", datatype=DataType(datatype), shape=shape, data=data))


def test_an_array_of_no_tensor_type_is_refused():
    with pytest.raises(TensorInvalidError, match="complex"):
        to_json("x", np.array([1j]))
