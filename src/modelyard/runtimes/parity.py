"""Does the converted model answer as the original does? Random, edge and given rows decide."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from modelyard.errors import ModelyardError
from modelyard.runtimes.base import Predictor, Tensor, Tensors, numpy_dtype
from modelyard.types.models import Parity
from modelyard.types.signatures import DataType, Signature, TensorSpec

TOLERANCE = 1e-4
_FREE_SIZE = 16
_EDGES = (0.0, 1.0, -1.0, 0.5, 255.0, 1e3, -1e3, 1e-30)
_EXTREMES = (1e6, -1e6)
_WHOLE_ROWS = 100
_SINGLE_ROWS = 100
_FEWEST_ROWS = 8


def check_parity(
    original: Predictor,
    converted: Predictor,
    signature: Signature,
    *,
    sample: Tensors | None = None,
    further: Mapping[str, Tensors] | None = None,
    has_made_up_rows: bool = True,
    rows: int = 500,
    seed: int = 0,
    tolerance: float = TOLERANCE,
) -> Parity:
    """Compare on the edge rows, `rows` random rows, rows of small whole numbers, `sample`, and `further` batches.

    Numbers may differ by `tolerance` (absolute, and relative above 1). A label may differ only where the original's two
    best probabilities are closer to each other than that. Rows that the original itself refuses are left out.

    Args:
        original: the model that is right.
        converted: the model that shall answer as it does.
        signature: of both.
        sample: real rows, best of all.
        further: more batches, by what a reader would call their rows ("rows at the thresholds").
        has_made_up_rows: edge rows, random rows and rows of whole numbers count too; real rows alone if not.
        rows: how many random rows.
        seed: of the random rows.
        tolerance: see above.
    """
    batches = _made_up(signature, rows, seed) if has_made_up_rows else {}
    batches |= ({"real rows": sample} if sample is not None else {}) | dict(further or {})
    compared = mismatched = 0
    largest = 0.0
    notes: list[str] = []
    for name, batch in batches.items():
        want, asked = _answers(original, batch)
        if want is None:
            continue
        try:
            got = converted.predict(asked)
        except ModelyardError as error:
            note = f"{name}: the original answers, the converted form does not: {error.message}"
            return Parity(is_equal=False, rows=compared, label_mismatches=0, max_abs_difference=largest, note=note)
        count = len(next(iter(asked.values())))
        found = _compare(want, got, tolerance)
        compared, mismatched, largest = compared + count, mismatched + found.labels, max(largest, found.absolute)
        notes += [f"{name}: {reason}" for reason in found.reasons(count, tolerance)]
    if compared < _FEWEST_ROWS:
        notes.append(f"the original answers only {compared} of the rows that were tried")
    return Parity(
        is_equal=not notes,
        rows=compared,
        label_mismatches=mismatched,
        max_abs_difference=largest,
        note="; ".join(notes),
    )


def _made_up(signature: Signature, rows: int, seed: int) -> dict[str, Tensors]:
    return {
        "edge rows": edge_inputs(signature),
        "random rows": synthetic_inputs(signature, rows, seed=seed),
        "rows of small whole numbers": whole_inputs(signature, rows=_WHOLE_ROWS, seed=seed),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Difference:
    """Other labels, the largest gap of a number, the largest relative to max(1, |value|), and gaps of another kind."""

    labels: int
    absolute: float = 0.0
    scaled: float = 0.0
    has_gaps: bool = False

    def reasons(self, rows: int, tolerance: float) -> Iterator[str]:
        """What is not allowed of it, in words."""
        if self.labels:
            yield f"{self.labels} of {rows} labels differ"
        if self.scaled > tolerance:
            yield f"numbers differ by up to {self.scaled:.3g} ({tolerance:g} is allowed)"
        if self.has_gaps:
            yield "shapes differ, or NaN and infinities stand at other places"


def synthetic_inputs(signature: Signature, rows: int, *, seed: int = 0) -> Tensors:
    """Random rows of the signature's shapes: small and large numbers, and missing values where they are allowed."""
    generator = np.random.default_rng(seed)
    return {spec.name: _random(spec, _rows(signature, rows), generator) for spec in signature.inputs}


def edge_inputs(signature: Signature) -> Tensors:
    """Rows of equal values: zero, one, negative, large, tiny, and all missing where that is allowed."""
    rows = _rows(signature, len(_EDGES) + 1)
    return {spec.name: _edges(spec, _EDGES, rows, with_missing=True) for spec in signature.inputs}


def extreme_inputs(signature: Signature) -> Tensors:
    """Rows of a million and minus a million: far outside of any data, where arithmetic in 32 bits begins to show."""
    rows = _rows(signature, len(_EXTREMES))
    return {spec.name: _edges(spec, _EXTREMES, rows) for spec in signature.inputs}


def whole_inputs(signature: Signature, rows: int, *, seed: int = 0) -> Tensors:
    """Rows of the numbers 0 to 4, as counts, codes and flags are; other tensors are random."""
    generator = np.random.default_rng(seed)
    random = synthetic_inputs(signature, rows, seed=seed)
    return {
        name: array if array.dtype.kind in "Ob" else generator.integers(0, 5, array.shape).astype(array.dtype)
        for name, array in random.items()
    }


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


def _edges(spec: TensorSpec, edges: Sequence[float], rows: int, *, with_missing: bool = False) -> Tensor:
    shape, dtype = _shape(spec, rows), numpy_dtype(spec.datatype)
    if spec.datatype is DataType.BYTES:
        array = np.full(shape, "unseen category", dtype=object)
        array[:1] = "" if spec.allows_missing else "é"
        return array
    values = np.resize(np.array(edges), rows).reshape(rows, *[1] * (len(shape) - 1))
    if dtype.kind in "iub":
        return np.broadcast_to(np.clip(values, 0, 1), shape).astype(dtype)
    array = np.broadcast_to(values, shape).astype(dtype)
    if spec.allows_missing and with_missing:
        array[-1] = np.nan
    return array


def _answers(original: Predictor, batch: Tensors) -> tuple[Tensors | None, Tensors]:
    """What the original answers and the rows that it answers; it may refuse single rows (negative counts, say)."""
    try:
        return original.predict(batch), batch
    except ModelyardError:
        rows = len(next(iter(batch.values())))
    taken = [index for index in range(min(rows, _SINGLE_ROWS)) if _takes(original, _rows_of(batch, [index]))]
    if not taken:
        return None, batch
    kept = _rows_of(batch, taken)
    return original.predict(kept), kept


def _takes(original: Predictor, row: Tensors) -> bool:
    try:
        original.predict(row)
    except ModelyardError:
        return False
    return True


def _rows_of(batch: Tensors, indices: list[int]) -> Tensors:
    return {name: array[indices] for name, array in batch.items()}


def _compare(want: Mapping[str, Tensor], got: Mapping[str, Tensor], tolerance: float) -> _Difference:
    if any(np.shape(got[name]) != tensor.shape for name, tensor in want.items()):
        return _Difference(labels=0, has_gaps=True)
    labels = _label_mismatches(want, got, tolerance)
    absolute = scaled = 0.0
    for name, tensor in want.items():
        if tensor.dtype.kind != "f" or not tensor.size:
            continue
        expected, answer = tensor.astype(np.float64), np.asarray(got[name], dtype=np.float64)
        if not np.array_equal(np.isfinite(expected), np.isfinite(answer)):
            return _Difference(labels=labels, absolute=absolute, scaled=scaled, has_gaps=True)
        finite = np.isfinite(expected)
        gaps = np.abs(expected[finite] - answer[finite])
        if gaps.size:
            absolute = max(absolute, float(gaps.max()))
            scaled = max(scaled, float((gaps / np.maximum(1.0, np.abs(expected[finite]))).max()))
    return _Difference(labels=labels, absolute=absolute, scaled=scaled)


def _label_mismatches(want: Mapping[str, Tensor], got: Mapping[str, Tensor], tolerance: float) -> int:
    if "label" not in want:
        return 0
    differs = np.asarray(want["label"] != got["label"])
    if "probabilities" in want and want["probabilities"].shape[1] > 1:
        best = np.sort(want["probabilities"], axis=1)
        differs = differs & (best[:, -1] - best[:, -2] > tolerance)
    return int(differs.sum())
