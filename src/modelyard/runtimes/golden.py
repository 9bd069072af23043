"""Golden requests: inputs with the answers that a version must give before a replica of it counts as ready."""

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from modelyard.errors import ModelyardError
from modelyard.runtimes.base import Predictor, Tensor, Tensors
from modelyard.runtimes.tensors import from_json, to_json
from modelyard.types.tensors import GoldenRequest, GoldenSet, JsonTensor

SINGLE_ROWS = 3
BATCH_ROWS = 8


def make_golden(predictor: Predictor, inputs: Tensors, *, tolerance: float = 1e-4) -> GoldenSet:
    """The same golden set for the same inputs: a few single rows and one batch, spread evenly over `inputs`.

    Args:
        predictor: the version's own predictor, as it will be served.
        inputs: at least one row that the model takes; more rows make a better set.
        tolerance: how far numbers may differ on another machine (absolute, and relative above 1).

    Raises:
        ModelyardError: the model cannot answer these rows.
    """
    rows = min(len(array) for array in inputs.values())
    single = [np.array([index]) for index in _spread(rows, SINGLE_ROWS)]
    requests = [_ask(predictor, inputs, index, tolerance) for index in single]
    if rows > 1:
        requests.append(_ask(predictor, inputs, np.array(_spread(rows, BATCH_ROWS)), tolerance))
    return GoldenSet(requests=tuple(requests))


def mismatches(golden: GoldenSet, infer: Callable[[Tensors], Tensors]) -> list[str]:
    """What `infer` answers otherwise than the golden set says, one sentence each; empty if all is well."""
    found: list[str] = []
    for number, request in enumerate(golden.requests):
        try:
            answer = infer({tensor.name: from_json(tensor) for tensor in request.inputs})
        except ModelyardError as error:
            found.append(f"golden request {number}: {error.message}")
            continue
        for expected in request.outputs:
            difference = _difference(expected, answer, request.tolerance)
            if difference:
                found.append(f"golden request {number}: output '{expected.name}' {difference}")
    return found


def nan_free_outputs(golden: GoldenSet) -> frozenset[str]:
    """Float outputs that hold no NaN in any golden answer, so that one in a later answer is worth a word."""
    outputs = [from_json(tensor) for request in golden.requests for tensor in request.outputs]
    names = [tensor.name for request in golden.requests for tensor in request.outputs]
    is_nan = [array.dtype.kind != "f" or bool(np.isnan(array).any()) for array in outputs]
    return frozenset(names) - {name for name, found in zip(names, is_nan, strict=True) if found}


def widened(golden: GoldenSet, rows: int) -> GoldenRequest | None:
    """The largest golden request, its rows repeated up to `rows`; None if its tensors are no batch of rows."""
    largest = max(golden.requests, key=_rows)
    own = _rows(largest)
    if not own or any(not t.shape or t.shape[0] != own for t in (*largest.inputs, *largest.outputs)):
        return None
    index = np.arange(rows) % own

    def repeated(tensors: Iterable[JsonTensor]) -> tuple[JsonTensor, ...]:
        return tuple(to_json(tensor.name, from_json(tensor)[index]) for tensor in tensors)

    return GoldenRequest(
        inputs=repeated(largest.inputs), outputs=repeated(largest.outputs), tolerance=largest.tolerance
    )


def _rows(request: GoldenRequest) -> int:
    first = next(iter(request.inputs), None)
    return first.shape[0] if first is not None and first.shape else 0


def _ask(predictor: Predictor, inputs: Tensors, index: np.ndarray, tolerance: float) -> GoldenRequest:
    batch = {name: array[index] for name, array in inputs.items()}
    return GoldenRequest(inputs=_listed(batch), outputs=_listed(predictor.predict(batch)), tolerance=tolerance)


def _listed(tensors: Mapping[str, Tensor]) -> tuple[JsonTensor, ...]:
    return tuple(to_json(name, array) for name, array in tensors.items())


def _spread(rows: int, count: int) -> list[int]:
    return sorted({round(position) for position in np.linspace(0, rows - 1, min(rows, count)).tolist()})


def _difference(expected: JsonTensor, answer: Mapping[str, Tensor], tolerance: float) -> str:
    if expected.name not in answer:
        return "is missing"
    want, got = from_json(expected), np.asarray(answer[expected.name])
    if want.shape != got.shape or want.dtype.kind != got.dtype.kind:
        return f"is {got.dtype} {list(got.shape)}, {want.dtype} {list(want.shape)} was expected"
    if want.dtype.kind == "f":
        is_close = np.isclose(got, want, rtol=tolerance, atol=tolerance, equal_nan=True)
    else:
        is_close = np.asarray(got == want)
    if is_close.all():
        return ""
    index = np.flatnonzero(~is_close)[0]
    return f"is {got.reshape(-1)[index]!r} where {want.reshape(-1)[index]!r} was expected"
