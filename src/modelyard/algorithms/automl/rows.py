"""The rows that AutoML works on: their columns as tensors, their target, and which of them are held out."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.base import Channel
from modelyard.algorithms.preparation.classes import Classes, canonical, find_classes
from modelyard.algorithms.preparation.split import Mask, split_rows, take
from modelyard.algorithms.tables.loading import TrainingTable, load
from modelyard.algorithms.tables.tensors import input_specs, to_tensors
from modelyard.algorithms.tables.training import class_labels, numeric_target
from modelyard.data.holdout import HOLDOUT_SHARE, held_out_mask_table
from modelyard.runtimes.base import Tensors
from modelyard.types.automl.recipes import AutoMLTask
from modelyard.types.models import Task

_MOST_WHOLE_CLASSES = 20
"""More different whole numbers than this are taken for a quantity, if nobody says otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows with a target.

    Attributes:
        table: as it was read, all of it.
        task: what is learnt.
        tensors: of the rows that are not held out, n of them.
        target: (n,) class numbers int64, or float64 values.
        classes: what the class numbers mean; None for numbers.
        is_held_out: over all rows of the table.
    """

    table: TrainingTable
    task: Task
    tensors: Tensors
    target: NDArray[Any]
    classes: Classes | None
    is_held_out: Mask

    @property
    def count(self) -> int:
        """N."""
        return len(self.target)

    @property
    def outputs(self) -> int:
        """Numbers that a model answers for a row."""
        return 1 if self.classes is None else len(self.classes.values)

    def part(self, numbers: NDArray[np.int64]) -> Tensors:
        """The tensors of some rows."""
        return {name: tensor[numbers] for name, tensor in self.tensors.items()}


def load_rows(channel: Channel, target: str | None, task: AutoMLTask, share: float = HOLDOUT_SHARE) -> Rows:
    """Read a table.

    Raises:
        InvalidInputError: it cannot be learnt from; the message says which column and why.
    """
    table = load(channel, target)
    name = str(target)
    is_held_out = split_rows(lambda part: held_out_mask_table(table.table, share=part, without={name}), share).holdout
    tensors = take(to_tensors(table.table, input_specs(table.numeric, table.categorical)), ~is_held_out)
    if _is_classification(task, table.target):
        labels = canonical(class_labels(table.target, name))
        classes, numbers = find_classes(labels[~is_held_out], f"The target '{name}'")
        return Rows(
            table=table,
            task=Task.TABULAR_CLASSIFICATION,
            tensors=tensors,
            target=numbers,
            classes=classes,
            is_held_out=is_held_out,
        )
    return Rows(
        table=table,
        task=Task.TABULAR_REGRESSION,
        tensors=tensors,
        target=numeric_target(table.target, name)[~is_held_out],
        classes=None,
        is_held_out=is_held_out,
    )


def _is_classification(task: AutoMLTask, target: NDArray[Any]) -> bool:
    if task is not AutoMLTask.AUTO:
        return task is AutoMLTask.CLASSIFICATION
    if target.dtype.kind not in "fiu":
        return True
    is_whole = bool(np.all(target == np.floor(target)))
    return is_whole and len(np.unique(target)) <= _MOST_WHOLE_CLASSES
