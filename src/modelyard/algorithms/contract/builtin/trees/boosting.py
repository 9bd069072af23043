"""What LightGBM and CatBoost have in common under AWS's names: channels, categories, classes.

Source: docs.aws.amazon.com/sagemaker/latest/dg/lightgbm.html and catboost.html, "Input and Output interface".
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.contract.context import BuiltInJob
from modelyard.algorithms.contract.formats.tables import CATEGORIES, Table, read_table
from modelyard.algorithms.errors import ChannelInvalidError, TooFewRowsError

CLASSIFICATION, REGRESSION = "classification", "regression"
_VALIDATION = "validation"
_HELD_OUT = 0.2
_FEWEST_ROWS = 5


@dataclass(frozen=True, slots=True)
class Data:
    """Rows to learn from and rows to stop by; `categories` are indices of features."""

    train: Table
    validation: Table
    categories: tuple[int, ...]


def read_data(job: BuiltInJob) -> Data:
    """The channels `train` (or `training`) and `validation`; without the latter a fifth of the rows is held out.

    Raises:
        ChannelInvalidError, TooFewRowsError: they are not what the algorithm takes.
    """
    name = "train" if job.has("train") else "training"
    if not job.has(name):
        raise ChannelInvalidError("There is no channel 'train'", hint="Name one.", field="channels")
    folder, content_type = job.data / name, job.content_types[name]
    inner = folder / "train"
    train = read_table(inner if inner.is_dir() else folder, content_type)
    categories = _categories(folder, train.features.shape[1])
    if job.has(_VALIDATION):
        return Data(train, read_table(job.data / _VALIDATION, job.content_types[_VALIDATION]), categories)
    if inner.is_dir() and (folder / _VALIDATION).is_dir():
        return Data(train, read_table(folder / _VALIDATION, content_type), categories)
    return Data(*_held_out(train), categories)


def class_count(job: BuiltInJob, labels: NDArray[np.float32]) -> int:
    """How many classes the labels 0, 1, ... have.

    Raises:
        ChannelInvalidError: they are other numbers, or all the same.
    """
    count = int(labels.max()) + 1
    if (labels != labels.astype(np.int64)).any() or labels.min() < 0 or count < 2:  # noqa: PLR2004
        raise ChannelInvalidError(
            f"{job.algorithm} learns from the labels 0, 1, ... of at least two classes",
            hint="The label is the first column. Number the classes from 0, or train a regression.",
            field="channels.train",
        )
    return count


def chosen(job: BuiltInJob, defaults: Mapping[str, str], ours: tuple[str, ...]) -> dict[str, str]:
    """Hyper-parameters for the library itself, under the defaults of AWS; "auto" leaves it to the library."""
    values = {**defaults, **job.given}
    return {
        name: value
        for name, value in values.items()
        if name not in ours and not name.startswith("_") and value.lower() != "auto"
    }


def _categories(folder: Path, width: int) -> tuple[int, ...]:
    """Indices of features; in the file the label is column 0."""
    found = next(iter(sorted(folder.rglob(CATEGORIES))), None)
    if found is None:
        return ()
    try:
        columns = [int(column) for column in json.loads(found.read_text(encoding="utf-8"))["cat_index_list"]]
    except (ValueError, KeyError, TypeError) as error:
        raise _invalid("cannot be read") from error
    if any(not 1 <= column <= width for column in columns):
        raise _invalid(f"names a column that is none of 1 to {width}")
    return tuple(column - 1 for column in columns)


def _invalid(reason: str) -> ChannelInvalidError:
    return ChannelInvalidError(
        f"{CATEGORIES} {reason}", hint='Write {"cat_index_list": [1, 3]}; column 0 is the label.', field="channels"
    )


def _held_out(table: Table) -> tuple[Table, Table]:
    features, labels = table.features, table.labelled()
    if len(labels) < _FEWEST_ROWS:
        raise TooFewRowsError(
            f"Of {len(labels)} rows none can be held out", hint="Give a channel 'validation'.", field="channels"
        )
    order = np.random.default_rng(0).permutation(len(labels))
    held, kept = np.split(order, [max(1, int(len(order) * _HELD_OUT))])
    return Table(features[np.sort(kept)], labels[np.sort(kept)]), Table(features[np.sort(held)], labels[np.sort(held)])
