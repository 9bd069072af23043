"""Named columns out of tensors: what drift is measured on.

Table columns keep their names. An image becomes a few numbers that a person understands ("image.noise"), because a
shift of single pixels says nothing; a text becomes its length and its language ("review.length"). Predictions become
"prediction.label", "prediction.confidence", "prediction.probability.<class>" or "prediction".
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from modelyard.drift.texts import is_text, languages, lengths
from modelyard.types.signatures import Signature, TensorSpec

Tensors = Mapping[str, NDArray[Any]]
"""Tensors by name; the first dimension is the batch; BYTES tensors are object arrays of str."""

_IMAGE_NAMES = ("image", "images")
CONFIDENCE = "prediction.confidence"
PROBABILITY = "prediction.probability."
_MAX_CLASSES = 20
_IMAGE_RANK, _COLOUR_RANK, _MAX_CHANNELS, _MIN_SIDE = 3, 4, 4, 3
# Immerkaer's mask answers 0 on constant, linear and quadratic surfaces, so that what is left is noise.
# Source: J. Immerkaer, "Fast Noise Variance Estimation", Computer Vision and Image Understanding 64(2), 1996.
_NOISE_SCALE = float(np.sqrt(np.pi / 2) / 6)


@dataclass(frozen=True, slots=True)
class Column:
    """One column. "number": float array (n,), NaN is missing. "category": object array of str (n,), "" is missing."""

    name: str
    kind: Literal["number", "category"]
    values: NDArray[Any]


def columns(signature: Signature, inputs: Tensors, outputs: Tensors, texts: Collection[str] = ()) -> list[Column]:
    """All columns of a batch, in the signature's order; tensors that are absent from the batch are left out.

    Args:
        signature: names the tensors and the columns in them.
        inputs: first dimension n rows.
        outputs: the answers to them; may be empty.
        texts: the input columns that hold prose (see `prose`).
    """
    found = [
        column
        for spec in signature.inputs
        if spec.name in inputs
        for plain in _input_columns(spec, np.asarray(inputs[spec.name]))
        for column in _text_columns(plain, texts)
    ]
    for spec in signature.outputs:
        if spec.name in outputs:
            found.extend(_output_columns(spec, np.asarray(outputs[spec.name])))
    return found


def prose(signature: Signature, inputs: Tensors) -> tuple[str, ...]:
    """Names of the input columns that hold prose, by the look of these rows."""
    plain = (c for spec in signature.inputs if spec.name in inputs for c in _input_columns(spec, inputs[spec.name]))
    return tuple(column.name for column in plain if column.kind == "category" and is_text(column.values))


def image_features(images: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
    """Plain statistics of each image.

    Args:
        images: (n, height, width) or (n, height, width, channels), any number type; colours are averaged.

    Returns:
        brightness (mean), contrast (standard deviation), noise (standard deviation of the high frequencies),
        sharpness (mean step between neighbours, after smoothing over 2 x 2 pixels so that
        noise does not count), center_x and center_y (centre of the bright mass, in pixels from the
        left and the top), ink (share of pixels above the middle of the image's own range), each (n,) float64.
    """
    grey = images.astype(np.float64)
    grey = grey.mean(axis=3) if grey.ndim == _COLOUR_RANK else grey
    count, height, width = grey.shape
    flat = grey.reshape(count, -1)
    low, high = flat.min(axis=1), flat.max(axis=1)
    mass = np.maximum(flat - flat.mean(axis=1, keepdims=True), 0)  # only what stands out: else noise pulls it inward
    total = np.where(mass.sum(axis=1) > 0, mass.sum(axis=1), np.nan)
    rows, cols = np.divmod(np.arange(height * width), width)
    smooth = (grey[:, :-1, :-1] + grey[:, 1:, :-1] + grey[:, :-1, 1:] + grey[:, 1:, 1:]) / 4
    steps = np.abs(np.diff(smooth, axis=1)).mean(axis=(1, 2)) + np.abs(np.diff(smooth, axis=2)).mean(axis=(1, 2))
    return {
        "brightness": flat.mean(axis=1),
        "contrast": flat.std(axis=1),
        "noise": _noise(grey),
        "sharpness": steps / 2,
        "center_x": mass @ cols / total,
        "center_y": mass @ rows / total,
        "ink": (flat > ((low + high) / 2)[:, None]).mean(axis=1),
    }


def _noise(grey: NDArray[np.float64]) -> NDArray[np.float64]:
    """Noise of each image by the mask [[1,-2,1],[-2,4,-2],[1,-2,1]], which is the second difference along both axes."""
    second = np.diff(np.diff(grey, n=2, axis=1), n=2, axis=2)
    noise: NDArray[np.float64] = _NOISE_SCALE * np.abs(second).mean(axis=(1, 2))
    return noise


def _input_columns(spec: TensorSpec, tensor: NDArray[Any]) -> list[Column]:
    if _is_image(tensor):
        prefix = "image" if spec.name in _IMAGE_NAMES else spec.name
        return [Column(f"{prefix}.{name}", "number", values) for name, values in image_features(tensor).items()]
    if tensor.ndim > 2 and tensor.dtype != object:  # noqa: PLR2004 - neither a table nor an image
        flat = tensor.reshape(len(tensor), -1).astype(np.float64)
        return [_number(f"{spec.name}.mean", flat.mean(axis=1)), _number(f"{spec.name}.spread", flat.std(axis=1))]
    table = tensor.reshape(len(tensor), -1)
    names = spec.columns if len(spec.columns) == table.shape[1] else _numbered(spec.name, table.shape[1])
    return [_column(name, table[:, index]) for index, name in enumerate(names)]


def _output_columns(spec: TensorSpec, tensor: NDArray[Any]) -> list[Column]:
    if spec.name == "probabilities" and tensor.ndim > 1:
        return [_number(CONFIDENCE, tensor.max(axis=1)), *_class_columns(spec, tensor)]
    if tensor.ndim > 1 and tensor.shape[1:] != (1,):
        return []
    flat = tensor.reshape(-1)
    if spec.name == "label":
        return [_category("prediction.label", flat)]
    return [_column("prediction" if spec.name == "prediction" else f"output.{spec.name}", flat)]


def _class_columns(spec: TensorSpec, tensor: NDArray[Any]) -> list[Column]:
    """The probability of each class: the most sensitive thing to test, since the model has learnt what matters.

    Of two classes the second says it all; of more than 20 none is a column of its own.
    """
    classes = tensor.shape[1]
    if tensor.ndim != 2 or not 2 <= classes <= _MAX_CLASSES:  # noqa: PLR2004 - rows by classes
        return []
    names = spec.columns if len(spec.columns) == classes else tuple(map(str, range(classes)))
    first = 1 if classes == 2 else 0  # noqa: PLR2004
    return [_number(f"{PROBABILITY}{names[index]}", tensor[:, index]) for index in range(first, classes)]


def _text_columns(column: Column, texts: Collection[str]) -> list[Column]:
    """Length and language of prose; any other column is itself."""
    if column.kind != "category" or column.name not in texts:
        return [column]
    return [
        _number(f"{column.name}.length", lengths(column.values)),
        _category(f"{column.name}.language", languages(column.values)),
    ]


def _column(name: str, values: NDArray[Any]) -> Column:
    return _category(name, values) if values.dtype.kind in "OUSb" else _number(name, values)


def _number(name: str, values: NDArray[Any]) -> Column:
    numbers = values.astype(np.float32 if values.dtype.itemsize <= np.dtype(np.float32).itemsize else np.float64)
    return Column(name, "number", numbers)


def _category(name: str, values: NDArray[Any]) -> Column:
    return Column(name, "category", values if values.dtype == object else values.astype(str).astype(object))


def _is_image(tensor: NDArray[Any]) -> bool:
    is_grey = tensor.ndim == _IMAGE_RANK
    is_colour = tensor.ndim == _COLOUR_RANK and tensor.shape[3] <= _MAX_CHANNELS
    return tensor.dtype != object and (is_grey or is_colour) and min(tensor.shape[1:3]) >= _MIN_SIDE


def _numbered(name: str, count: int) -> tuple[str, ...]:
    return (name,) if count == 1 else tuple(f"{name}.{index}" for index in range(count))
