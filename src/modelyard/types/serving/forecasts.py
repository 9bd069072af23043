"""Models over time series, whose callers write and read SageMaker's DeepAR format.

A model says so by the names of its tensors: an ONNX file carries nothing else.
"""

from modelyard.types.signatures import DataType, Signature, TensorSpec

SERIES, MEAN, QUANTILES = "series", "mean", "quantiles"
LEVELS = tuple(round(percent / 100, 2) for percent in range(1, 100))
"""The quantiles of each forecast."""


def forecast_signature(window: int, horizon: int) -> Signature:
    """The last `window` values of a series -> its next `horizon` values, and the quantiles of each at LEVELS."""
    return Signature(
        inputs=(TensorSpec(name=SERIES, datatype=DataType.FP32, shape=(-1, window)),),
        outputs=(
            TensorSpec(name=MEAN, datatype=DataType.FP32, shape=(-1, horizon)),
            TensorSpec(name=QUANTILES, datatype=DataType.FP32, shape=(-1, len(LEVELS), horizon)),
        ),
    )


def takes_series(signature: Signature) -> bool:
    """True for a model with such a signature."""
    names = tuple(spec.name for spec in (*signature.inputs, *signature.outputs))
    return names == (SERIES, MEAN, QUANTILES) and signature.outputs[1].shape[1] == len(LEVELS)
