"""A Keras or TensorFlow model as `load` and `predict`: `model.keras`, or a SavedModel (`saved_model.pb`)."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

_BACKENDS = ("tensorflow", "torch", "jax")
_loaded: dict[str, Any] = {}


def load(folder: str) -> None:
    """Load the model in `folder`."""
    path = Path(folder, "model.keras")
    _loaded["call"] = _load_keras(path) if path.is_file() else _load_saved_model(folder)


def predict(inputs: dict[str, Any]) -> dict[str, Any]:
    """The model's results, which have names only if it returns a dictionary; else their positions."""
    result = _loaded["call"](inputs)
    if not isinstance(result, (dict, list, tuple)):
        result = [result]
    named = result.items() if isinstance(result, dict) else enumerate(result)
    return {str(name): _array(value) for name, value in named}


def _load_keras(path: Path) -> Callable[[dict[str, Any]], Any]:
    os.environ.setdefault("KERAS_BACKEND", next(name for name in _BACKENDS if _is_installed(name)))
    import keras  # noqa: PLC0415 - reads that variable when it is imported

    model = keras.saving.load_model(path, compile=False, safe_mode=True)

    def call(inputs: dict[str, Any]) -> Any:
        tensors = [keras.ops.convert_to_tensor(array) for array in inputs.values()]
        return model(tensors[0] if len(tensors) == 1 else tensors, training=False)

    return call


def _load_saved_model(folder: str) -> Callable[[dict[str, Any]], Any]:
    import tensorflow as tf  # noqa: PLC0415 - Keras can do without it

    model = tf.saved_model.load(folder)

    def call(inputs: dict[str, Any]) -> Any:
        return model.signatures["serving_default"](**{name: tf.constant(array) for name, array in inputs.items()})

    return call


def _is_installed(name: str) -> bool:
    spec = importlib.util.find_spec(name)
    return spec is not None and spec.origin is not None  # a folder that something left behind has no origin


def _array(value: Any) -> Any:
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    return value.numpy() if hasattr(value, "numpy") else value
