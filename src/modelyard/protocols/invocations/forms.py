"""Answers in the forms that SageMaker's built-in algorithms give.

Source: SageMaker Developer Guide: "XGBoost, input/output interface", "Linear learner response formats", "k-NN response
formats", "Image classification, inference", "RCF response formats", "PCA response formats".
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from modelyard.dataplane.gateway.dialect import Reply
from modelyard.dataplane.tensors import OutputRows
from modelyard.protocols.invocations.media_types import Format, Wanted
from modelyard.protocols.invocations.protobuf import format_records
from modelyard.protocols.outputs import nested_values
from modelyard.types.serving.answers import AnswerForm

_LABEL, _PROBABILITIES = "label", "probabilities"
_LINE = orjson.OPT_APPEND_NEWLINE
_BINARY = 2
_NAMES = {AnswerForm.SCORES: "scores", AnswerForm.PROJECTIONS: "projections"}
_CSV_FIRST = (AnswerForm.VALUE, AnswerForm.LABEL)


def formed(form: AnswerForm, outputs: Sequence[OutputRows], wanted: Wanted, *, is_open: bool) -> Reply:
    """The answer in this form; `is_open`: the request left its media type to us."""
    columns = {tensor.name: nested_values(tensor) for tensor in outputs}
    values = _VALUES[form](columns)
    chosen = Format.CSV if is_open and form in _CSV_FIRST else wanted.format
    if chosen is Format.CSV:
        lines = (",".join(_text(cell) for cell in (value if isinstance(value, list) else [value])) for value in values)
        return Reply(b"text/csv; charset=utf-8", "".join(f"{line}\n" for line in lines).encode())
    if form is AnswerForm.PROBABILITIES:
        return Reply(b"application/json", orjson.dumps(values[0] if len(values) == 1 else values))
    if form is AnswerForm.COLUMNS:
        name = _PROBABILITIES if _PROBABILITIES in columns else next(iter(columns))
        return Reply(b"application/json", orjson.dumps({name: values}))
    rows = _ROWS[form](values, columns)
    if chosen is Format.RECORDS:
        return Reply(wanted.media_type.encode(), format_records(rows))
    if chosen is Format.JSON_LINES:
        return Reply(wanted.media_type.encode(), b"".join(orjson.dumps(row, option=_LINE) for row in rows))
    return Reply(b"application/json", orjson.dumps({_NAMES.get(form, "predictions"): rows}))


def _values(columns: Mapping[str, list[Any]]) -> list[Any]:
    rows = columns.get(_PROBABILITIES)
    if rows is None:
        return next(iter(columns.values()))
    return [row[1] if len(row) == _BINARY else row for row in rows]


def _first(columns: Mapping[str, list[Any]]) -> list[Any]:
    return columns.get(_PROBABILITIES) or next(iter(columns.values()))


def _labels(columns: Mapping[str, list[Any]]) -> list[Any]:
    return [_number(value) for value in columns.get(_LABEL) or next(iter(columns.values()))]


def _number(label: Any) -> Any:
    """A class name as the number that the training data had, if it is one."""
    try:
        return float(label) if isinstance(label, str) else label
    except ValueError:
        return label


def _text(cell: Any) -> str:
    return "" if cell is None else str(cell)


def _scores(values: list[Any], columns: Mapping[str, list[Any]]) -> list[dict[str, Any]]:
    if _LABEL not in columns:
        return [{"score": value} for value in values]
    labels = _labels(columns)
    return [{"score": value, "predicted_label": label} for value, label in zip(values, labels, strict=True)]


_VALUES: Mapping[AnswerForm, Callable[[Mapping[str, list[Any]]], list[Any]]] = {
    AnswerForm.VALUE: _values,
    AnswerForm.LABEL: _labels,
    AnswerForm.SCORE: _values,
    AnswerForm.PREDICTED_LABEL: _labels,
    AnswerForm.PROBABILITIES: _first,
    AnswerForm.SCORES: _first,
    AnswerForm.PROJECTIONS: _first,
    AnswerForm.COLUMNS: _first,
}
_ROWS: Mapping[AnswerForm, Callable[[list[Any], Mapping[str, list[Any]]], list[dict[str, Any]]]] = {
    AnswerForm.VALUE: lambda values, _: [{"score": value} for value in values],
    AnswerForm.LABEL: lambda values, _: [{"score": value} for value in values],
    AnswerForm.SCORE: _scores,
    AnswerForm.SCORES: lambda values, _: [{"score": value} for value in values],
    AnswerForm.PROJECTIONS: lambda values, _: [{"projection": value} for value in values],
    AnswerForm.PREDICTED_LABEL: lambda values, _: [{"predicted_label": value} for value in values],
}
