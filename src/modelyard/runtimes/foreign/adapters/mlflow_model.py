"""An MLflow pyfunc model as `load` and `predict`: from tensors to what it takes, from what it answers to arrays."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import numpy as np

_loaded: dict[str, Any] = {}


def load(folder: str) -> None:
    """Load the model in `folder`."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    import mlflow.pyfunc  # noqa: PLC0415 - in the model's environment only

    _loaded["model"] = mlflow.pyfunc.load_model(folder)


def predict(inputs: dict[str, Any]) -> dict[str, Any]:
    """The answer's columns; one without a name is named for its position."""
    import pandas as pd  # noqa: PLC0415 - likewise

    model = _loaded["model"]
    answer = model.predict(_model_input(model.metadata.get_input_schema(), inputs))
    if isinstance(answer, pd.DataFrame):
        return {str(name): _array(answer[name]) for name in answer.columns}
    if isinstance(answer, dict):
        return {str(name): _array(value) for name, value in answer.items()}
    return {"0": _array(answer)}


def _model_input(schema: Any, inputs: dict[str, Any]) -> Any:
    if schema is None or not set(inputs) <= set(_tensor_names(schema)):
        return next(iter(inputs.values())) if len(inputs) == 1 else inputs  # signature.json says it otherwise
    if schema.is_tensor_spec():
        return dict(inputs) if schema.has_input_names() else next(iter(inputs.values()))
    import pandas as pd  # noqa: PLC0415 - likewise

    taken: Counter[str] = Counter()
    columns = {}
    for position, column in enumerate(schema.inputs):
        kind = column.type.name
        name = column.name if column.name is not None else position
        columns[name] = inputs[kind][:, taken[kind]]
        taken[kind] += 1
    return pd.DataFrame(columns)


def _tensor_names(schema: Any) -> list[str]:
    """As `runtimes/formats/programs/mlflow.py` names them: columns of one type are one tensor, named for the type."""
    if schema.is_tensor_spec():
        return [spec.name or "input" for spec in schema.inputs]
    return [getattr(spec.type, "name", "") for spec in schema.inputs]


def _array(value: Any) -> Any:
    array = np.asarray(value)
    is_text = array.dtype.kind in "US" or (array.dtype.kind == "O" and all(isinstance(v, str) for v in array.flat))
    return array.astype(object) if is_text else array
