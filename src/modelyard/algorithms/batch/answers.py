"""A model's answers as columns of a table, null where a row has an error instead."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.batch.cells import Faults
from modelyard.algorithms.batch.columns import AnswerColumn, BatchColumns
from modelyard.algorithms.batch.predicting import Rows
from modelyard.runtimes.base import Tensors, numpy_dtype
from modelyard.types.signatures import DataType, Signature

if TYPE_CHECKING:
    import pyarrow as pa


class AnswerTable:
    """Makes the columns that the model adds.

    Args:
        columns: of the batch job.
        signature: of the model.
    """

    def __init__(self, columns: BatchColumns, signature: Signature) -> None:
        datatypes = {spec.name: spec.datatype for spec in signature.outputs}
        self._answers = [(answer, datatypes[answer.tensor]) for answer in columns.answers]
        self._error = columns.error

    def fields(self) -> "list[pa.Field]":
        """Name and type of each column."""
        import pyarrow as pa  # noqa: PLC0415 - only tables need Arrow

        fields = [pa.field(answer.name, _arrow_type(datatype)) for answer, datatype in self._answers]
        return [*fields, pa.field(self._error, pa.string())]

    def arrays(self, rows: int, answered: list[tuple[Rows, Tensors]], faults: Faults) -> "list[pa.Array]":
        """The columns of a batch of `rows` rows."""
        import pyarrow as pa  # noqa: PLC0415 - only tables need Arrow

        arrays = [_column(answer, datatype, rows, answered) for answer, datatype in self._answers]
        errors = pa.nulls(rows, pa.string()) if not faults else pa.array(map(faults.get, range(rows)), pa.string())
        return [*arrays, errors]


def _column(answer: AnswerColumn, datatype: DataType, rows: int, answered: list[tuple[Rows, Tensors]]) -> "pa.Array":
    import pyarrow as pa  # noqa: PLC0415 - only tables need Arrow

    parts = [_values(outputs[answer.tensor], answer.index) for _, outputs in answered]
    type_ = _arrow_type(datatype)
    if sum(map(len, parts)) == rows:
        values, is_missing = (parts[0] if len(parts) == 1 else np.concatenate(parts)), None
    else:
        values = np.zeros(rows, dtype=numpy_dtype(datatype))
        is_missing = np.ones(rows, dtype=np.bool_)
        for (places, _), part in zip(answered, parts, strict=True):
            values[places], is_missing[places] = part, False
    if datatype is DataType.BYTES:
        texts = [str(value) for value in values.tolist()]
        return pa.array(texts, type_, mask=is_missing)
    return pa.array(np.ascontiguousarray(values), mask=is_missing).cast(type_)


def _values(output: NDArray[Any], index: int | None) -> NDArray[Any]:
    return output.reshape(len(output), -1)[:, 0 if index is None else index]


def _arrow_type(datatype: DataType) -> "pa.DataType":
    import pyarrow as pa  # noqa: PLC0415 - only tables need Arrow

    if datatype is DataType.BYTES:
        return pa.string()
    if datatype is DataType.FP16:  # datasets have no half precision
        return pa.float32()
    return pa.from_numpy_dtype(numpy_dtype(datatype))
