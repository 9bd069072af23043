"""Rewrites ONNX graphs so that their outputs follow types.signatures.Signature.

Exporters disagree: skl2onnx wraps probabilities into a sequence of maps (ZipMap) unless told otherwise, calls a
regressor's output "variable" and gives it a second dimension; onnxmltools declares a label of one row. Imports onnx,
so it belongs to registration and training, never to a worker.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import onnx
from onnx import TensorProto, helper, numpy_helper

from modelyard.types.signatures import DataType

_REGRESSION_NAMES = ("variable", "prediction", "predictions", "output_variable", "GPmean")
_OPSET = 17
_MATRIX = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Normalised:
    """A rewritten model; `kind` "other" means that its outputs keep their own names."""

    model: onnx.ModelProto
    kind: Literal["classifier", "regressor", "other"]
    class_names: tuple[str, ...] = ()


def normalise(model: onnx.ModelProto) -> Normalised:
    """A copy whose classifier outputs are "label" and "probabilities", a regressor's "prediction".

    Outputs that are not recognised stay as they are, under their own names.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    names = _strip_zipmaps(graph)
    label, probabilities = _classifier_outputs(graph)
    if label is not None and probabilities is not None:
        names = names or _class_names(graph, _sizes(probabilities)[1])
        if names:
            _set_outputs(copy, [(label, "label", (None,)), (probabilities, "probabilities", (None, len(names)))])
            return Normalised(model=copy, kind="classifier", class_names=names)
    value = _regression_output(graph)
    if value is not None:
        width = (*_sizes(value), 1)[1]
        _set_outputs(copy, [(value, "prediction", (None,) if width == 1 else (None, width))])
        return Normalised(model=copy, kind="regressor")
    return Normalised(model=copy, kind="other")


def keep_label_only(model: onnx.ModelProto) -> None:
    """Let a model that answers a label and scores answer the label alone, under its standard name.

    Scores of models without probabilities (SVC, k-means, outlier detectors) sum up to nothing, so nobody gets them.
    """
    labels = [output for output in model.graph.output if _type(output) in (TensorProto.INT64, TensorProto.STRING)]
    if len(labels) == 1:
        _set_outputs(model, [(labels[0], "label", (None,))])


def rename_input(model: onnx.ModelProto, name: str) -> None:
    """Call the only input `name`."""
    _rename(model.graph, model.graph.input[0].name, name)


def retype_inputs(model: onnx.ModelProto, source: int, target: int) -> None:
    """Make float inputs of one width (`TensorProto.DOUBLE`) take another: a cast stands behind each."""
    for value in model.graph.input:
        if _type(value) == source:
            inner = f"modelyard_cast_{value.name}"
            for node in model.graph.node:
                node.input[:] = [inner if name == value.name else name for name in node.input]
            value.type.tensor_type.elem_type = target
            model.graph.node.insert(0, helper.make_node("Cast", [value.name], [inner], to=source))


def element_type(datatype: DataType) -> int:
    """ONNX's number of a float type."""
    return int(TensorProto.DOUBLE if datatype is DataType.FP64 else TensorProto.FLOAT)


def has_external_data(model: onnx.ModelProto) -> bool:
    """True if weights lie in other files, which a single artifact cannot bring along."""
    return any(tensor.data_location == TensorProto.EXTERNAL for tensor in model.graph.initializer)


def _strip_zipmaps(graph: Any) -> tuple[str, ...]:
    """Put the matrix in front of each ZipMap in the place of its output; the class names that it held."""
    names: tuple[str, ...] = ()
    for node in [node for node in graph.node if node.op_type == "ZipMap"]:
        names = _labels(node)
        for output in graph.output:
            if output.name == node.output[0]:
                output.CopyFrom(helper.make_tensor_value_info(node.input[0], TensorProto.FLOAT, [None, len(names)]))
        graph.node.remove(node)
    return names


def _classifier_outputs(graph: Any) -> tuple[Any, Any]:
    """The outputs that hold labels and probabilities, or None and None."""
    outputs = list(graph.output)
    labels = [o for o in outputs if _type(o) in (TensorProto.INT64, TensorProto.STRING) and len(_sizes(o)) <= 1]
    matrices = [o for o in outputs if _is_float(o) and len(_sizes(o)) == _MATRIX]
    if len(outputs) != 2 or not labels or not matrices:  # noqa: PLR2004 - a label and probabilities
        return None, None
    is_known = "prob" in matrices[0].name.lower() or any(_labels(node) for node in graph.node)
    return (labels[0], matrices[0]) if is_known else (None, None)


def _regression_output(graph: Any) -> Any:
    outputs = list(graph.output)
    if len(outputs) != 1 or not _is_float(outputs[0]) or outputs[0].name not in _REGRESSION_NAMES:
        return None
    return outputs[0] if len(_sizes(outputs[0])) in (1, _MATRIX) else None


def _class_names(graph: Any, width: int | None) -> tuple[str, ...]:
    """From a classifier node, from skl2onnx's "classes" constant, else the numbers from 0."""
    for node in graph.node:
        names = _labels(node)
        if names and width in (None, len(names)):
            return names
    for constant in graph.initializer:
        if constant.name.startswith("classes") and list(constant.dims) == [width]:
            return tuple(_text(value) for value in numpy_helper.to_array(constant).tolist())
    return tuple(str(number) for number in range(width or 0))


def _labels(node: Any) -> tuple[str, ...]:
    for attribute in node.attribute:
        if attribute.name.startswith("classlabels"):
            values = list(attribute.strings) or list(attribute.ints)
            if values:
                return tuple(_text(value) for value in values)
    return ()


def _set_outputs(model: onnx.ModelProto, outputs: Iterable[tuple[Any, str, tuple[int | None, ...]]]) -> None:
    """Make (value, new name, new shape) the outputs; floats become FP32, a column (n, 1) a vector if so shaped."""
    graph, infos = model.graph, []
    for number, (value, name, shape) in enumerate(outputs):
        element = TensorProto.FLOAT if _is_float(value) else _type(value)
        source = value.name
        if _type(value) == TensorProto.DOUBLE:
            graph.node.append(helper.make_node("Cast", [source], [f"modelyard_cast_{number}"], to=TensorProto.FLOAT))
            source = f"modelyard_cast_{number}"
        # CatBoost declares a vector and answers a column.
        is_column = len(_sizes(value)) == _MATRIX or (model.producer_name == "CatBoost" and _is_float(value))
        if len(shape) == 1 and is_column:
            graph.initializer.append(helper.make_tensor("modelyard_vector", TensorProto.INT64, [1], [-1]))
            graph.node.append(helper.make_node("Reshape", [source, "modelyard_vector"], ["modelyard_reshaped"]))
            source = "modelyard_reshaped"
        if source != name:
            _rename(graph, name, f"modelyard_inner_{name}")
            _rename(graph, source, name)
        infos.append(helper.make_tensor_value_info(name, element, list(shape)))
    del graph.output[:]
    graph.output.extend(infos)
    del graph.value_info[:]
    if not any(entry.domain in ("", "ai.onnx") for entry in model.opset_import):
        model.opset_import.append(helper.make_opsetid("", _OPSET))


def _rename(graph: Any, old: str, new: str) -> None:
    for value in graph.input:
        value.name = new if value.name == old else value.name
    for constant in graph.initializer:
        constant.name = new if constant.name == old else constant.name
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [new if name == old else name for name in names]
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                _rename(attribute.g, old, new)


def _type(value: Any) -> int:
    return int(value.type.tensor_type.elem_type)


def _is_float(value: Any) -> bool:
    return _type(value) in (TensorProto.FLOAT, TensorProto.DOUBLE)


def _sizes(value: Any) -> list[int | None]:
    return [size.dim_value or None for size in value.type.tensor_type.shape.dim]


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
