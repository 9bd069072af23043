"""Reads a table of texts with a class each."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from modelyard.algorithms.base import Channel
from modelyard.algorithms.errors import ColumnsInvalidError
from modelyard.algorithms.preparation.classes import canonical, listed
from modelyard.algorithms.preparation.split import Split, split_rows
from modelyard.algorithms.tables.loading import find_target, rows_with, target_values
from modelyard.algorithms.tables.tensors import CATEGORICAL, check_present, input_specs, to_tensors
from modelyard.algorithms.tables.training import class_labels
from modelyard.data.holdout import held_out_mask_table
from modelyard.data.schema import infer_schema
from modelyard.data.tables import read_table
from modelyard.runtimes.base import Tensors
from modelyard.types.datasets import ColumnKind, DatasetSchema
from modelyard.types.signatures import TensorSpec

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True, kw_only=True)
class TextTable:
    """Rows with a target.

    Attributes:
        table: all columns.
        inputs: of a model's signature.
        tensors: (n, 1) texts.
        labels: (n,) as `canonical` gives them.
    """

    table: "pa.Table"
    inputs: tuple[TensorSpec, ...]
    tensors: Tensors
    labels: NDArray[Any]
    column: str

    @property
    def texts(self) -> NDArray[Any]:
        """(n,)."""
        texts: NDArray[Any] = self.tensors[CATEGORICAL][:, 0]
        return texts

    def split(self, share: float, target: str, *, is_trial: bool) -> Split:
        """Which rows are held out, by their content."""
        return split_rows(
            lambda part: held_out_mask_table(self.table, share=part, without={target}), share, is_trial=is_trial
        )


def load_texts(channel: Channel, target: str | None, column: str) -> TextTable:
    """Read the column of texts; "": the one that there is.

    Raises:
        TargetNotFoundError: no target of that name, or no name.
        TargetInvalidError: the target is a number.
        ColumnsInvalidError: there is no such column, or it is not clear which.
    """
    schema = infer_schema(channel.path, channel.format)
    name = find_target(target, [each.name for each in schema.columns])
    chosen = column or _only_text(schema, name)
    table = read_table(channel.path, channel.format, words=(name, chosen))
    check_present(table.column_names, (chosen,))
    table = rows_with(table, name)
    inputs = input_specs((), (chosen,))
    return TextTable(
        table=table,
        inputs=inputs,
        tensors=to_tensors(table, inputs),
        labels=canonical(class_labels(target_values(table, name), name)),
        column=chosen,
    )


def text_columns(schema: DatasetSchema, target: str) -> list[str]:
    """Columns that hold texts; where there are none, those of categories."""
    for kind in (ColumnKind.TEXT, ColumnKind.CATEGORY):
        found = [each.name for each in schema.columns if each.kind is kind and each.name != target]
        if found:
            return found
    return []


def _only_text(schema: DatasetSchema, target: str) -> str:
    names = text_columns(schema, target)
    if len(names) == 1:
        return names[0]
    what = f"several columns of texts: {listed(names)}" if names else "no column of texts"
    raise ColumnsInvalidError(
        f"The table has {what}", hint="Name one (text_column, or --text).", field="hyperparameters.text_column"
    )
