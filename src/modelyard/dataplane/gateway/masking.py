"""Personal columns leave a capture here, in the gateway's memory: what is spooled never had them.

Rules name columns of the signature ("age") or whole tensors. The hash is HMAC-SHA256 under a key of the platform,
different in each project: who holds captures but not the key can neither guess values nor link projects.
"""

import hmac
from collections.abc import Mapping
from typing import TypeVar

import msgspec
import numpy as np

from modelyard.dataplane.captures import WireCapture
from modelyard.dataplane.tensors import WireTensor
from modelyard.runtimes.base import Tensor
from modelyard.runtimes.tensors import from_raw, to_raw
from modelyard.types.endpoints import Masking
from modelyard.types.signatures import DataType, Signature, TensorSpec
from modelyard.types.tensors import CaptureRecord, RawTensor

Record = TypeVar("Record", WireCapture, CaptureRecord)
_Tensor = TypeVar("_Tensor", WireTensor, RawTensor)

_TEXT_BYTES = 16
_HASHED_INTEGERS = (DataType.INT64, DataType.UINT64)


class Mask:
    """Applies the rules of endpoints. Costs nothing where there are none.

    Args:
        key: the platform's secret; empty: what should be hashed is dropped.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._project_keys: dict[str, bytes] = {}

    def apply(self, record: Record, rules: Mapping[str, Masking], signature: Signature) -> Record:
        """The record as it may be written."""
        specs = {spec.name: spec for spec in (*signature.inputs, *signature.outputs)}
        masked: list[str] = []

        def mask(tensor: _Tensor) -> _Tensor:
            places = _places(specs.get(tensor.name), tensor, rules)
            if not places:
                return tensor
            masked.extend(places)
            return self._masked(record.project, tensor, {place: rules[name] for name, place in places.items()})

        inputs, outputs = tuple(map(mask, record.inputs)), tuple(map(mask, record.outputs))
        return msgspec.structs.replace(record, inputs=inputs, outputs=outputs, masked=tuple(dict.fromkeys(masked)))

    def _masked(self, project: str, tensor: _Tensor, rules: Mapping[int | None, Masking]) -> _Tensor:
        values = from_raw(tensor).copy()  # type: ignore[arg-type] # a WireTensor reads like a RawTensor
        can_hash = bool(self._key) and (tensor.datatype is DataType.BYTES or tensor.datatype in _HASHED_INTEGERS)
        for place, rule in rules.items():
            part = values if place is None else values[..., place]
            if rule is Masking.HASH and can_hash:
                part[...] = self._hashed(project, part)
            else:
                part[...] = _missing(tensor.datatype)
        raw = to_raw(tensor.name, values)
        return msgspec.structs.replace(tensor, data=raw.data)

    def _hashed(self, project: str, values: Tensor) -> Tensor:
        key = self._project_keys.get(project)
        if key is None:
            key = self._project_keys[project] = hmac.digest(self._key, project.encode(), "sha256")
        if values.dtype.kind == "O":
            made = [_text_hash(key, text) if text else "" for text in values.flat]
            return np.array(made, dtype=object).reshape(values.shape)
        digests = (hmac.digest(key, str(value).encode(), "sha256") for value in values.ravel().tolist())
        numbers = [int.from_bytes(digest[:8], "big") >> 1 for digest in digests]  # 63 bits fit both types
        return np.array(numbers, dtype=values.dtype).reshape(values.shape)


def _text_hash(key: bytes, text: str) -> str:
    return hmac.digest(key, text.encode(), "sha256")[:_TEXT_BYTES].hex()


def _places(
    spec: TensorSpec | None, tensor: WireTensor | RawTensor, rules: Mapping[str, Masking]
) -> dict[str, int | None]:
    """Rule name -> position in the last dimension; None: the whole tensor."""
    if tensor.name in rules:
        return {tensor.name: None}
    if spec is None or not tensor.shape or tensor.shape[-1] != len(spec.columns):
        return {}
    return {name: place for place, name in enumerate(spec.columns) if name in rules}


def _missing(datatype: DataType) -> float | str:
    if datatype is DataType.BYTES:
        return ""
    return float("nan") if datatype in (DataType.FP16, DataType.FP32, DataType.FP64) else 0
