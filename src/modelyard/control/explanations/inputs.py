"""The row to explain, out of JSON: tensors as captures show them, or values by column."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from modelyard.control.evaluation.errors import ColumnUnknownError
from modelyard.control.explanations.errors import ExplanationImpossibleError
from modelyard.runtimes.base import Tensors
from modelyard.runtimes.tensors import from_json
from modelyard.runtimes.validate import check_inputs
from modelyard.types.signatures import Scalar, Signature
from modelyard.types.tensors import JsonTensor


def tensors_of(signature: Signature, inputs: Mapping[str, Any]) -> Tensors:
    """Nested lists by tensor name as a batch.

    Raises:
        InvalidInputError: they do not fit the signature.
    """
    kinds = {spec.name: spec.datatype for spec in signature.inputs}
    made = {
        name: from_json(JsonTensor(name=name, datatype=kinds[name], shape=_shape(values), data=_flat(values)))
        for name, values in inputs.items()
        if name in kinds
    }
    unknown = {name: np.zeros(1) for name in inputs if name not in kinds}
    check_inputs(signature, {**made, **unknown})
    return made


def row_of(signature: Signature, columns: Mapping[str, Scalar | None]) -> Tensors:
    """Values by column as a batch of one row; what is left out is missing.

    Raises:
        InvalidInputError: the model takes no table, has no such column, or needs one that is missing.
    """
    if any(len(spec.columns) == 0 for spec in signature.inputs):
        names = ", ".join(f"'{spec.name}'" for spec in signature.inputs)
        raise ExplanationImpossibleError(
            "This model takes no table of columns", hint=f"Send its tensors in 'inputs': {names}.", field="columns"
        )
    known = [name for spec in signature.inputs for name in spec.columns]
    for name in columns:
        if name not in known:
            raise ColumnUnknownError(
                f"The model has no column '{name[:80]}'", hint=f"There are: {', '.join(known[:30])}.", field="columns"
            )
    return tensors_of(signature, {spec.name: [[columns.get(c) for c in spec.columns]] for spec in signature.inputs})


def _shape(values: Any) -> tuple[int, ...]:
    return (len(values), *(_shape(values[0]) if values else ())) if isinstance(values, list) else ()


def _flat(values: Any) -> list[Any]:
    """The elements in order; lists of unequal length give another count than the shape says, which is refused."""
    if not isinstance(values, list):
        return [values]
    return [element for part in values for element in _flat(part)]
