"""Tables of AWS's built-in algorithms: CSV without a header (the label first), libsvm, protobuf records, Parquet."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.errors import ChannelInvalidError
from modelyard.kit.formats import recordio

CSV, LIBSVM, RECORDIO, PARQUET = "text/csv", "text/libsvm", "application/x-recordio-protobuf", "application/x-parquet"
CATEGORIES = "categorical_index.json"
"""A file beside the tables, which says which of their columns are categories."""

_OTHER_NAMES = {
    "csv": CSV,
    "libsvm": LIBSVM,
    "text/x-libsvm": LIBSVM,
    "parquet": PARQUET,
    "recordio-protobuf": RECORDIO,
}


_Reader = Callable[[list[Path], bool, int], "Table"]


@dataclass(frozen=True, slots=True)
class Table:
    """Features (n, d) float32, where NaN is a missing value; labels (n,) float32, or None."""

    features: NDArray[np.float32]
    labels: NDArray[np.float32] | None

    def labelled(self) -> NDArray[np.float32]:
        """The labels.

        Raises:
            ChannelInvalidError: there are none.
        """
        if self.labels is None:
            raise ChannelInvalidError(
                "The rows have no labels, from which this algorithm learns",
                hint="Put the label into the first column, and leave ';label_size=0' out of the content type.",
                field="channels",
            )
        return self.labels


def read_table(
    folder: Path, content_type: str, *, is_labelled: bool = True, width: int = 0, absent: float = 0.0
) -> Table:
    """All files of a channel, in the order of their names.

    Args:
        folder: of the channel.
        content_type: what the channel says it is; "text/csv;label_size=0" has no labels.
        is_labelled: whether rows have a label unless the content type says otherwise.
        width: number of features, for sparse formats; 0: as many as there are.
        absent: what a feature is that a line of libsvm does not name.

    Raises:
        ChannelInvalidError: a file is not what the content type says, or there is none.
    """
    kind, _, options = content_type.lower().replace(" ", "").partition(";")
    kind = _OTHER_NAMES.get(kind, kind or CSV)
    has_label = is_labelled if "label_size=" not in options else "label_size=0" not in options
    found = folder.rglob("*") if folder.is_dir() else ()
    files = sorted(path for path in found if path.is_file() and _has_rows(path.name))
    if not files:
        raise ChannelInvalidError(
            f"The channel '{folder.name}' has no files", hint="Name a prefix that has some.", field="channels"
        )
    read_libsvm = partial(_read_libsvm, absent=absent)
    readers: Mapping[str, _Reader] = {
        CSV: _read_csv,
        LIBSVM: read_libsvm,
        PARQUET: _read_parquet,
        RECORDIO: _read_recordio,
    }
    if kind not in readers:
        raise ChannelInvalidError(
            f"The content type '{kind}' is not one of tables",
            hint=f"Give one of {', '.join(sorted(readers))}.",
            field="channels",
        )
    try:
        return readers[kind](files, has_label, width)
    except (ValueError, KeyError, OSError) as error:
        raise ChannelInvalidError(
            f"The channel '{folder.name}' cannot be read as {kind}: {error}"[:500],
            hint="CSV files have numbers alone and no header; set the content type to what the files are.",
            field="channels",
        ) from error


def _has_rows(name: str) -> bool:
    """Spark and others leave files such as `_SUCCESS` and `.part-0.crc` beside those with rows."""
    return name != CATEGORIES and not name.startswith((".", "_"))


def _read_csv(files: list[Path], has_label: bool, _width: int) -> Table:
    from pyarrow import csv  # noqa: PLC0415 - each job reads one format

    options = csv.ReadOptions(autogenerate_column_names=True)
    convert = csv.ConvertOptions(null_values=["", "NA", "NaN", "nan", "null"])
    tables = [csv.read_csv(path, read_options=options, convert_options=convert) for path in files]
    return _split(np.concatenate([_columns(table) for table in tables]), has_label)


def _read_parquet(files: list[Path], has_label: bool, _width: int) -> Table:
    from pyarrow import parquet  # noqa: PLC0415

    return _split(np.concatenate([_columns(parquet.read_table(path)) for path in files]), has_label)


def _read_libsvm(files: list[Path], _has_label: bool, width: int, absent: float) -> Table:
    from sklearn.datasets import load_svmlight_files  # noqa: PLC0415

    found = load_svmlight_files([str(path) for path in files], n_features=width or None, zero_based=True)
    features = np.concatenate([_dense(part, absent) for part in found[::2]])
    return Table(features, np.concatenate(found[1::2]).astype(np.float32))


def _dense(part: Any, absent: float) -> NDArray[np.float32]:
    """A sparse matrix of SciPy's written out."""
    whole = np.full(part.shape, absent, dtype=np.float32)
    pairs = part.tocoo()
    whole[pairs.row, pairs.col] = pairs.data
    return whole


def _read_recordio(files: list[Path], _has_label: bool, width: int) -> Table:
    rows = [recordio.record(frame) for path in files for frame in recordio.frames(path.read_bytes())]
    size = max(width, *(vector.length for vector, _ in rows)) if rows else 0
    features = np.stack([vector.dense(size) for vector, _ in rows]).astype(np.float32)
    labels = [label for _, label in rows]
    has_labels = all(label is not None for label in labels)
    return Table(features, np.array(labels, dtype=np.float32) if has_labels else None)


def _columns(table: Any) -> NDArray[np.float32]:
    """(n, columns) of an Arrow table of numbers."""
    columns = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        try:
            columns.append(column.cast("float64").to_numpy().astype(np.float32))
        except (ValueError, NotImplementedError) as error:
            raise ValueError(f"column {name} holds '{column[0]}', which is no number") from error
    return np.column_stack(columns)


def _split(values: NDArray[np.float32], has_label: bool) -> Table:
    return Table(values[:, 1:], values[:, 0]) if has_label else Table(values, None)
