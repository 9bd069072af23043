"""Does the converted model answer as the original does? Random, edge and given rows decide."""

from collections.abc import Mapping

import numpy as np

from modelyard.errors import ModelyardError
from modelyard.runtimes.base import Predictor, Tensor, Tensors, numpy_dtype
from modelyard.types.models import Parity
from modelyard.types.signatures import DataType, Signature, TensorSpec

TOLERANCE = 1e-4
_FREE_SIZE = 16
_EDGES = (0.0, 1.0, -1.0, 0.5, 255.0, 1e3, -1e3, 1e-30)


def check_parity(
    original: Predictor,
    converted: Predictor,
    signature: Signature,
    *,
    sample: Tensors | None = None,
    rows: int = 500,
    seed: int = 0,
    tolerance: float = TOLERANCE,
) -> Parity:
    """Compare on `rows` random rows, the edge rows, and `sample` (real rows, best of all) if there are some.

    Numbers may differ by `tolerance` (absolute, and relative above 1). A label may differ only where the original's two
    best probabilities are closer to each other than that.
    """
    batches = [edge_inputs(signature), synthetic_inputs(signature, rows, seed=seed)]
    if sample is not None:
        batches.append(sample)
    compared = mismatched = 0
    largest = worst = 0.0
    has_gaps = False
    for batch in batches:
        try:
            want, got = original.predict(batch), converted.predict(batch)
        except ModelyardError as error:
            return Parity(is_equal=False, rows=compared, label_mismatches=0, max_abs_difference=0.0, note=error.message)
        compared += len(next(iter(batch.values())))
        mismatched += _label_mismatches(want, got, tolerance)
        absolute, scaled, has_gap = _difference(want, got)
        largest, worst, has_gaps = max(largest, absolute), max(worst, scaled), has_gaps or has_gap
    is_equal = mismatched == 0 and worst <= tolerance and not has_gaps
    note = "" if is_equal else f"differs by {worst:.3g} (allowed {tolerance:g}), {mismatched} other labels"
    if has_gaps:
        note += ", and has other shapes, or NaN at other places"
    return Parity(is_equal=is_equal, rows=compared, label_mismatches=mismatched, max_abs_difference=largest, note=note)


def synthetic_inputs(signature: Signature, rows: int, *, seed: int = 0) -> Tensors:
    """Random rows of the signature's shapes: small and large numbers, and missing values where they are allowed."""
    generator = np.random.default_rng(seed)
    return {spec.name: _random(spec, _rows(signature, rows), generator) for spec in signature.inputs}


def edge_inputs(signature: Signature) -> Tensors:
    """Rows of equal values: zero, one, negative, large, tiny, and all missing where that is allowed."""
    rows = _rows(signature, len(_EDGES) + 1)
    return {spec.name: _edges(spec, rows) for spec in signature.inputs}


def _rows(signature: Signature, wanted: int) -> int:
    """The batch size: what is wanted unless the model fixes it."""
    return next((spec.shape[0] for spec in signature.inputs if spec.shape and spec.shape[0] > 0), wanted)


def _shape(spec: TensorSpec, rows: int) -> tuple[int, ...]:
    return (rows, *(size if size > 0 else _FREE_SIZE for size in spec.shape[1:]))


def _random(spec: TensorSpec, rows: int, generator: np.random.Generator) -> Tensor:
    shape, dtype = _shape(spec, rows), numpy_dtype(spec.datatype)
    if spec.datatype is DataType.BYTES:
        return np.asarray(
            generator.choice(np.array(["", "a", "b", "c", "1"][not spec.allows_missing :]), shape), object
        )
    if dtype.kind in "iub":
        return generator.integers(0, 2 if dtype.kind == "b" else 10, shape).astype(dtype)
    scales = 10.0 ** generator.integers(-2, 3, (rows, *[1] * (len(shape) - 1)))
    values = (generator.standard_normal(shape) * scales).astype(dtype)
    if spec.allows_missing:
        values[generator.random(shape) < 0.05] = np.nan  # noqa: PLR2004 - one value in twenty
    return values


def _edges(spec: TensorSpec, rows: int) -> Tensor:
    shape, dtype = _shape(spec, rows), numpy_dtype(spec.datatype)
    if spec.datatype is DataType.BYTES:
        array = np.full(shape, "unseen category", dtype=object)
        array[:1] = "" if spec.allows_missing else "é"
        return array
    values = np.resize(np.array(_EDGES), rows).reshape(rows, *[1] * (len(shape) - 1))
    if dtype.kind in "iub":
        return np.broadcast_to(np.clip(values, 0, 1), shape).astype(dtype)
    array = np.broadcast_to(values, shape).astype(dtype)
    if spec.allows_missing:
        array[-1] = np.nan
    return array


def _label_mismatches(want: Mapping[str, Tensor], got: Mapping[str, Tensor], tolerance: float) -> int:
    if "label" not in want:
        return 0
    differs = np.asarray(want["label"] != got["label"])
    if "probabilities" in want and want["probabilities"].shape[1] > 1:
        best = np.sort(want["probabilities"], axis=1)
        differs = differs & (best[:, -1] - best[:, -2] > tolerance)
    return int(differs.sum())


def _difference(want: Mapping[str, Tensor], got: Mapping[str, Tensor]) -> tuple[float, float, bool]:
    """The largest absolute difference, the largest relative to max(1, |value|), and whether shapes or NaN differ."""
    absolute = scaled = 0.0
    for name, tensor in want.items():
        if tensor.dtype.kind != "f" or not tensor.size:
            continue
        expected, answer = tensor.astype(np.float64), np.asarray(got[name], dtype=np.float64)
        if expected.shape != answer.shape or not np.array_equal(np.isfinite(expected), np.isfinite(answer)):
            return absolute, scaled, True
        finite = np.isfinite(expected)
        gaps = np.abs(expected[finite] - answer[finite])
        if gaps.size:
            absolute = max(absolute, float(gaps.max()))
            scaled = max(scaled, float((gaps / np.maximum(1.0, np.abs(expected[finite]))).max()))
    return absolute, scaled, False
