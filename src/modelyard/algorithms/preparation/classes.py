"""Class labels: their canonical form, and what is worth knowing about how many rows each has."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.base import TrainingContext
from modelyard.algorithms.errors import TargetInvalidError
from modelyard.types.debugging.rules import CLASS_ROWS
from modelyard.types.signatures import DataType, TensorSpec

MAX_CLASSES = 1000
_FEW_CLASSES = 20
_RARE_ROWS = 10
_IMBALANCE = 10
_SHOWN = 5
_LOGGED = 20  # the smallest and the largest say enough


@dataclass(frozen=True, slots=True, kw_only=True)
class Classes:
    """The classes of a training set: `values` is (k,) int64 or object array of str, sorted."""

    values: NDArray[Any]

    @property
    def names(self) -> tuple[str, ...]:
        """As strings, in the order of the probabilities."""
        return tuple(str(value) for value in self.values)

    @property
    def outputs(self) -> tuple[TensorSpec, TensorSpec]:
        """The signature of a classifier's answers."""
        datatype = DataType.INT64 if self.values.dtype.kind == "i" else DataType.BYTES
        shape = (-1, len(self.values))
        return (
            TensorSpec(name="label", datatype=datatype, shape=(-1,)),
            TensorSpec(name="probabilities", datatype=DataType.FP32, shape=shape, columns=self.names),
        )


def canonical(labels: NDArray[Any]) -> NDArray[Any]:
    """Whole numbers as int64; everything else as object array of str (truth values as "true" and "false").

    So a label is the same whether it came from a typed file, a CSV file, or a caller's feedback.
    """
    if labels.dtype.kind in "iu":
        return labels.astype(np.int64)
    if labels.dtype.kind == "f" and np.all(np.isfinite(labels)) and np.all(labels == np.floor(labels)):
        return labels.astype(np.int64)
    if labels.dtype.kind == "b":
        return np.where(labels, "true", "false").astype(object)
    words = labels.astype(str).astype(object)
    words[words == "True"] = "true"
    words[words == "False"] = "false"
    return words


def texts(labels: NDArray[Any]) -> NDArray[Any]:
    """Labels of any type as comparable strings: object array (n,)."""
    return canonical(labels).astype(str).astype(object)


def find_classes(labels: NDArray[Any], what: str) -> tuple[Classes, NDArray[np.int64]]:
    """The classes in canonical training labels, and each row's class number (n,) int64.

    Args:
        labels: (n,) as `canonical` gives them.
        what: names the labels in errors ("the target 'churn'").

    Raises:
        TargetInvalidError: fewer than two classes, more than 1,000, or nearly as many as rows.
    """
    values, indices = np.unique(labels, return_inverse=True)
    if len(values) < 2:  # noqa: PLR2004 - there is nothing to tell apart
        raise TargetInvalidError(
            f"{what} has the single value '{values[0]}', so there is nothing to learn",
            hint="Give rows of at least two classes; check that the right column is named.",
            field="target",
        )
    if len(values) > MAX_CLASSES or len(values) > max(_FEW_CLASSES, len(labels) // 2):
        raise TargetInvalidError(
            f"{what} has {len(values):,} different values in {len(labels):,} rows, too many to be classes",
            hint=f"Predict numbers by a regression; merge rare classes. At most {MAX_CLASSES:,} are taken.",
            field="target",
        )
    return Classes(values=values), indices.astype(np.int64)


def log_class_sizes(labels: NDArray[Any], context: TrainingContext) -> None:
    """Live figures of how many training rows each class has, for the rule that looks at that."""
    names, counts = np.unique(labels.astype(str), return_counts=True)
    order = np.argsort(counts)
    shown = order if len(order) <= _LOGGED else np.concatenate([order[: _LOGGED // 2], order[-_LOGGED // 2 :]])
    for index in shown.tolist():
        context.log_metric(f"{CLASS_ROWS}/{names[index]}", float(counts[index]), 0)
    context.log_metric(CLASS_ROWS, float(len(labels)), 0)


def class_findings(train: NDArray[Any], holdout: NDArray[Any]) -> list[str]:
    """Imbalance, rare classes, and classes that only the held-out part has, in sentences."""
    counts = Counter(train.tolist())
    (most, most_rows), (least, least_rows) = counts.most_common()[0], counts.most_common()[-1]
    found = []
    if most_rows >= _IMBALANCE * least_rows:
        found.append(
            f"The classes are imbalanced: '{most}' has {most_rows:,} training rows "
            f"({_percent(most_rows, len(train))}), '{least}' has {least_rows:,} "
            f"({_percent(least_rows, len(train))}). Accuracy says little then: look at balanced_accuracy and macro_f1, "
            "and try class_weight=balanced."
        )
    rare = sorted(str(name) for name, rows in counts.items() if rows < _RARE_ROWS)
    if rare:
        found.append(f"Classes with fewer than {_RARE_ROWS} training rows: {listed(rare)}.")
    unseen = sorted(str(name) for name in set(holdout.tolist()) - set(counts))
    if unseen:
        found.append(f"Classes that only held-out rows have, so that no model can answer them: {listed(unseen)}.")
    return found


def listed(names: list[str]) -> str:
    """A few names, and how many more there are."""
    shown = ", ".join(f"'{name[:40]}'" for name in names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN:,} more"


def balanced_weights(indices: NDArray[np.int64]) -> NDArray[np.float32]:
    """Weights (n,) that make every class count the same, 1 on average."""
    counts = np.bincount(indices)
    return (len(indices) / (len(counts) * counts))[indices].astype(np.float32)


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2g} %"
