"""Personal columns never reach a capture: hashed under a key, or dropped."""

import hmac

import numpy as np

from modelyard.dataplane.captures import WireCapture
from modelyard.dataplane.gateway.masking import Mask
from modelyard.dataplane.tensors import WireTensor
from modelyard.runtimes.tensors import to_raw
from modelyard.types.endpoints import Masking
from modelyard.types.signatures import DataType, Signature, TensorSpec

KEY = b"k" * 32
SIGNATURE = Signature(
    inputs=(
        TensorSpec(name="numeric", datatype=DataType.FP32, shape=(-1, 3), columns=("age", "area", "income")),
        TensorSpec(name="categorical", datatype=DataType.BYTES, shape=(-1, 2), columns=("email", "town")),
        TensorSpec(name="customer", datatype=DataType.INT64, shape=(-1,)),
    ),
    outputs=(TensorSpec(name="label", datatype=DataType.BYTES, shape=(-1,)),),
)


def wire(name: str, array: np.ndarray) -> WireTensor:
    raw = to_raw(name, array)
    return WireTensor(raw.name, raw.datatype, raw.shape, raw.data)


def capture(project: str = "default") -> WireCapture:
    numeric = wire("numeric", np.array([[30, 1, 2], [40, 3, 4]], dtype=np.float32))
    text = wire("categorical", np.array([["ann@example.com", "Delft"], ["", "Gouda"]], dtype=object))
    customer = wire("customer", np.array([7, 7], dtype=np.int64))
    label = wire("label", np.array(["ann", "bob"], dtype=object))
    return WireCapture("inf-1", 1, project, "e", "v", "m", 1, 2, 5, 2, "t", (numeric, text, customer), (label,))


def masked(rules: dict[str, Masking], key: bytes = KEY, project: str = "default") -> tuple[WireCapture, dict]:
    record = Mask(key).apply(capture(project), rules, SIGNATURE)
    arrays = {tensor.name: tensor.to_array().tolist() for tensor in (*record.inputs, *record.outputs)}
    return record, arrays


def test_without_a_rule_for_them_columns_are_as_they_were():
    record, arrays = masked({"town": Masking.DROP})
    assert record.masked == ("town",)
    assert arrays["numeric"] == [[30, 1, 2], [40, 3, 4]]
    assert arrays["categorical"] == [["ann@example.com", ""], ["", ""]]
    assert arrays["customer"] == [7, 7]


def test_dropped_numbers_are_missing():
    _, arrays = masked({"age": Masking.DROP, "customer": Masking.DROP})
    assert np.isnan([row[0] for row in arrays["numeric"]]).all()
    assert [row[1:] for row in arrays["numeric"]] == [[1, 2], [3, 4]]
    assert arrays["customer"] == [0, 0]


def test_hashes_keep_equality_and_differ_between_projects_and_keys():
    record, arrays = masked({"email": Masking.HASH, "customer": Masking.HASH, "label": Masking.HASH})
    assert set(record.masked) == {"email", "customer", "label"}
    hashed = arrays["categorical"][0][0]
    project_key = hmac.digest(KEY, b"default", "sha256")
    assert hashed == hmac.digest(project_key, b"ann@example.com", "sha256")[:16].hex()
    assert arrays["categorical"][1][0] == ""  # missing stays missing
    assert arrays["customer"][0] == arrays["customer"][1] not in (7, 0)
    assert arrays["label"][0] != arrays["label"][1]
    assert masked({"email": Masking.HASH}, project="other")[1]["categorical"][0][0] != hashed
    assert masked({"email": Masking.HASH}, key=b"x" * 32)[1]["categorical"][0][0] != hashed
    assert b"ann" not in b"".join(bytes(tensor.data) for tensor in (*record.inputs, *record.outputs))


def test_what_cannot_be_hashed_is_dropped():
    assert np.isnan(masked({"age": Masking.HASH})[1]["numeric"][0][0])
    assert masked({"email": Masking.HASH}, key=b"")[1]["categorical"][0] == ["", "Delft"]
