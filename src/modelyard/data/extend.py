"""A dataset plus newly labelled rows: what retraining learns from."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.data.errors import DatasetInvalidError
from modelyard.data.extend_tables import append_csv, append_parquet
from modelyard.data.images import read_images
from modelyard.data.readers.npz import read_npz
from modelyard.types.datasets import DatasetFormat
from modelyard.types.signatures import Signature


def write_labelled(
    base: Path | None,
    format: DatasetFormat,
    signature: Signature,
    inputs: Mapping[str, NDArray[Any]],
    labels: NDArray[Any],
    target_column: str | None,
    output: Path,
    masked: Collection[str] = (),
) -> DatasetFormat:
    """Write the rows of `base`, if given, then the labelled rows, to `output`; return the format that was written.

    Tables stay in `format`: a column of `base` that the signature lacks is empty in the new rows. Images become npz.

    Args:
        base: the dataset version that the model was trained on.
        format: its format; without `base`, the wanted one.
        signature: of the model that took the inputs: its columns name the tensors' columns.
        inputs: the tensors as the model received them, (n, ...) each.
        labels: the truth, (n,).
        target_column: where the truth goes; None for images.
        output: the file to write.
        masked: columns that are empty in the new rows: their values are not those that the model received.

    Raises:
        DatasetInvalidError: images of another shape, or no name for the target column.
    """
    if format in (DatasetFormat.NPZ, DatasetFormat.IMAGE_FOLDER):
        _write_images(base, format, inputs["images"], labels, output)
        return DatasetFormat.NPZ
    if target_column is None:
        raise DatasetInvalidError("a table needs a target column for its labels", hint="Name the target column.")
    cells = _cells(signature, inputs)
    cells |= {name: _missing(cells[name]) for name in cells.keys() & set(masked)}
    cells |= {target_column: np.asarray(labels)}
    if format is DatasetFormat.CSV:
        append_csv(base, cells, output)
    else:
        append_parquet(base, cells, output)
    return format


def _cells(signature: Signature, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Column name -> values, out of the tensors of a table's signature."""
    cells: dict[str, NDArray[Any]] = {}
    for spec in signature.inputs:
        values = inputs[spec.name].reshape(len(inputs[spec.name]), -1)
        names = spec.columns or tuple(f"{spec.name}_{index}" for index in range(values.shape[1]))
        cells |= {name: values[:, index] for index, name in enumerate(names)}
    return cells


def _missing(values: NDArray[Any]) -> NDArray[Any]:
    if values.dtype.kind in "OUS":
        return np.full(len(values), "", dtype=object)
    return np.full(len(values), np.nan, dtype=np.float32)


def _write_images(
    base: Path | None, format: DatasetFormat, images: NDArray[Any], labels: NDArray[Any], output: Path
) -> None:
    all_images, all_labels = np.asarray(images, dtype=np.float32), _plain_labels(labels)
    dtype: np.dtype[Any] = np.dtype(np.float32)
    if base is not None:
        old_images, old_labels = read_npz(base) if format is DatasetFormat.NPZ else read_images(base, format)
        dtype = old_images.dtype if format is DatasetFormat.NPZ else np.dtype(np.uint8)
        if old_images.shape[1:] != all_images.shape[1:]:
            raise DatasetInvalidError(
                f"the labelled images have shape {all_images.shape[1:]}, the dataset's {old_images.shape[1:]}",
                hint="Retrain on a dataset of the images that the model receives.",
            )
        all_images = np.concatenate([old_images.astype(np.float32), all_images])
        all_labels = _joined_labels(old_labels, all_labels)
    narrow = all_images.astype(dtype, copy=False) if _fits(all_images, dtype) else all_images
    with output.open("wb") as file:
        np.savez_compressed(file, images=narrow, labels=all_labels)


def _fits(images: NDArray[np.float32], dtype: np.dtype[Any]) -> bool:
    """True if the dataset's own pixel type holds every value exactly: worn images rarely stay whole numbers."""
    if dtype.kind not in "ui":
        return bool(dtype.kind == "f")
    limits = np.iinfo(dtype)
    is_inside = images.min() >= limits.min and images.max() <= limits.max
    return bool(is_inside and (images == np.floor(images)).all())


def _plain_labels(labels: NDArray[Any]) -> NDArray[Any]:
    if labels.dtype.kind == "O":
        return np.array([label.decode() if isinstance(label, bytes) else str(label) for label in labels])
    return labels.astype(np.int64) if labels.dtype.kind in "iub" else labels.astype(str)


def _joined_labels(old: NDArray[Any], new: NDArray[Any]) -> NDArray[Any]:
    """Whole numbers where the dataset has them and every new label is one, else text."""
    if old.dtype.kind == "i":
        try:
            return np.concatenate([old, new.astype(np.int64)])
        except ValueError:
            pass
    return np.concatenate([old.astype(str), new.astype(str)])
