"""Converters of scikit-learn's histogram boosting that hand plain numbers to ONNX.

skl2onnx 1.20 passes the sides of missing values on as NumPy booleans, which current protobuf refuses as integers; so
the most used boosting of scikit-learn would have no ONNX form.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

Converter = Callable[[Any, Any, Any], None]


def histogram_converters() -> dict[type, Converter]:
    """Estimator class -> converter, for `custom_conversion_functions` of skl2onnx."""
    from skl2onnx.operator_converters import random_forest  # noqa: PLC0415 - 1 s
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor  # noqa: PLC0415 - 2 s

    return {
        HistGradientBoostingClassifier: _with_plain_numbers(random_forest.convert_sklearn_random_forest_classifier),
        HistGradientBoostingRegressor: _with_plain_numbers(
            random_forest.convert_sklearn_random_forest_regressor_converter
        ),
    }


def _with_plain_numbers(convert: Converter) -> Converter:
    return lambda scope, operator, container: convert(scope, operator, _PlainNumbers(container))


class _PlainNumbers:
    """The converters' container, but that booleans in attributes become integers."""

    def __init__(self, container: Any) -> None:
        self._container = container

    def __getattr__(self, name: str) -> Any:
        return getattr(self._container, name)

    def add_node(self, op_type: Any, inputs: Any, outputs: Any, **attributes: Any) -> Any:
        plain = {name: _plain(value) for name, value in attributes.items()}
        return self._container.add_node(op_type, inputs, outputs, **plain)


def _plain(value: Any) -> Any:
    if isinstance(value, list) and any(isinstance(item, bool | np.bool_) for item in value):
        return [int(item) for item in value]
    return value
