"""Spark's models as ONNX, for scripts that train them: `from modelyard.spark import save_onnx`.

Runs in a job's own environment (`--environment spark`), beside pyspark and onnxmltools; nothing else of the platform is
there. A converter that is wrong must not make a model that is wrong, so what it made is compared with Spark here.
"""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

COLUMNS = "modelyard.columns"
"""Metadata of an ONNX file: which columns each of its inputs has, as a JSON object. See `runtimes/formats/onnx.py`."""

_COMPARED_ROWS = 1000
_TOLERANCE = 1e-4
"""Of the larger of 1 and the value: ONNX computes in float32, Spark in float64."""

_OPSET = 15  # at most: onnxmltools takes the lowest in which the pipeline can be said
_SIZES_ARE_INPUT = 13
"""Opset since which Split has the sizes as an input. Source: ONNX operators, Split."""

_NUMBERS = ("int", "bigint", "smallint", "tinyint", "float", "double", "boolean")


class ConversionDiffersError(Exception):
    """The ONNX model does not answer as Spark does: it is not kept."""


def save_onnx(model: Any, rows: Any, folder: str | Path | None = None) -> Path:
    """Write a fitted pipeline as `model.onnx`, once it answers a sample of rows as Spark does.

    Args:
        model: a fitted `pyspark.ml` pipeline that begins with columns of numbers or texts.
        rows: the data frame with these columns; its first thousand rows are the sample.
        folder: where it goes; None: the folder MODELYARD_MODEL.

    Returns:
        The file. Callers send it the columns that the pipeline reads, by their names.

    Raises:
        ConversionDiffersError: the answers differ; the message says by how much.
    """
    from onnxmltools import convert_sparkml  # noqa: PLC0415 - in the job's environment alone
    from onnxmltools.convert.common.data_types import FloatTensorType, StringTensorType  # noqa: PLC0415

    columns = _columns_read(model, rows)
    types = {name: FloatTensorType if kind in _NUMBERS else StringTensorType for name, kind in columns.items()}
    converted = convert_sparkml(
        model,
        "model",
        [(name, type_([None, 1])) for name, type_ in types.items()],
        spark_session=rows.sparkSession,
        target_opset=_OPSET,
    )
    inputs = _gather(converted, columns)
    content: bytes = converted.SerializeToString()
    _compare(content, model, rows.limit(_COMPARED_ROWS), inputs)
    path = Path(folder or os.environ["MODELYARD_MODEL"]) / "model.onnx"
    path.write_bytes(content)
    return path


def _columns_read(model: Any, rows: Any) -> "Mapping[str, str]":
    """Column of the data -> its type, for those that a stage reads and none makes."""
    made: set[str] = set()
    read: list[str] = []
    for stage in getattr(model, "stages", [model]):
        for parameter in ("inputCol", "inputCols", "featuresCol"):
            if stage.hasParam(parameter) and stage.isDefined(parameter):
                value = stage.getOrDefault(parameter)
                read += [value] if isinstance(value, str) else [*value]
        for parameter in ("outputCol", "outputCols"):
            if stage.hasParam(parameter) and stage.isDefined(parameter):
                value = stage.getOrDefault(parameter)
                made |= {value} if isinstance(value, str) else {*value}
    kinds = dict(rows.dtypes)
    return {name: kinds[name] for name in dict.fromkeys(read) if name in kinds and name not in made}


def _gather(model: Any, columns: "Mapping[str, str]") -> dict[str, list[str]]:
    """Make one input of all columns of numbers and one of all texts, as models of tables have; input -> its columns."""
    from onnx import TensorProto, helper  # noqa: PLC0415 - in the job's environment alone

    graph, opset = model.graph, next(each.version for each in model.opset_import if not each.domain)
    inputs = {
        "numbers": [name for name, kind in columns.items() if kind in _NUMBERS],
        "texts": [name for name, kind in columns.items() if kind not in _NUMBERS],
    }
    inputs = {name if name not in columns else f"{name} of the row": found for name, found in inputs.items() if found}
    del graph.input[:]
    for name, found in inputs.items():
        is_text = columns[found[0]] not in _NUMBERS
        type_ = TensorProto.STRING if is_text else TensorProto.FLOAT
        graph.input.append(helper.make_tensor_value_info(name, type_, [None, len(found)]))
        if opset < _SIZES_ARE_INPUT:
            graph.node.insert(0, helper.make_node("Split", [name], found, axis=1, split=[1] * len(found)))
            continue
        sizes = f"{name} sizes"
        graph.initializer.append(helper.make_tensor(sizes, TensorProto.INT64, [len(found)], [1] * len(found)))
        graph.node.insert(0, helper.make_node("Split", [name, sizes], found, axis=1))
    helper.set_model_props(model, {COLUMNS: json.dumps(inputs)})
    return inputs


def _compare(content: bytes, model: Any, rows: Any, inputs: "Mapping[str, list[str]]") -> None:
    import numpy as np  # noqa: PLC0415 - in the job's environment alone
    import onnxruntime  # noqa: PLC0415

    columns = [name for found in inputs.values() for name in found]
    expected = model.transform(rows).select(*columns, "prediction").toPandas()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    kinds = {node.name: "object" if "string" in node.type else "float32" for node in session.get_inputs()}
    given = {name: expected[found].to_numpy(kinds[name]) for name, found in inputs.items()}
    found = np.asarray(session.run(["prediction"], given)[0], dtype=float).ravel()
    true = expected["prediction"].to_numpy(float)
    apart = np.abs(found - true) / np.maximum(1.0, np.abs(true))
    if (apart > _TOLERANCE).any():
        raise ConversionDiffersError(
            f"{int((apart > _TOLERANCE).sum())} of {len(true)} answers of the ONNX model differ from Spark's, by up to "
            f"{float(apart.max()):.3g}. onnxmltools does not convert this pipeline rightly: use another estimator."
        )
