"""Writes ONNX graphs node by node: preprocessing and model in one file, equal models in equal bytes.

Written by hand because the exporters do not take the preprocessing in, name their nodes at random, and need packages
that the core install does not have (torch.onnx). Imports onnx, so only training jobs import this.
"""

from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike
from onnx import TensorProto, helper, numpy_helper

from modelyard.types.signatures import DataType, Signature, TensorSpec

OPSET, ML_OPSET, IR_VERSION = 17, 3, 8
TEXT_OPSET = 20
"""The first one that splits and joins strings."""

_ML_DOMAIN, _CONTRIB_DOMAIN = "ai.onnx.ml", "com.microsoft"
_TYPES = {
    DataType.FP32: TensorProto.FLOAT,
    DataType.INT64: TensorProto.INT64,
    DataType.BYTES: TensorProto.STRING,
}


class Graph:
    """A graph under construction. Methods return the name of the tensor that they make."""

    def __init__(self, opset: int = OPSET) -> None:
        self._opset = opset
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def add(self, operator: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Append a node with one output."""
        name = output or f"{operator.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def add_pair(self, operator: str, *inputs: str, **attributes: Any) -> tuple[str, str]:
        """Append a node with two outputs."""
        name = f"{operator.lower()}_{len(self._nodes)}"
        names = f"{name}_first", f"{name}_second"
        self._nodes.append(helper.make_node(operator, inputs, names, name=name, **attributes))
        return names

    def add_second(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Append a node with two outputs; the name of the second."""
        return self.add_pair(operator, *inputs, **attributes)[1]

    def add_ml(self, operator: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Append a node of the ai.onnx.ml operators."""
        return self.add(operator, *inputs, output=output, domain=_ML_DOMAIN, **attributes)

    def add_contrib(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Append a node of ONNX Runtime's own operators."""
        return self.add(operator, *inputs, domain=_CONTRIB_DOMAIN, **attributes)

    def constant(self, value: ArrayLike) -> str:
        """A constant: float32, int64 or strings by what `value` holds."""
        array = np.asarray(value)
        if array.dtype.kind == "f":
            array = array.astype(np.float32)
        name = f"constant_{len(self._constants)}"
        if array.dtype.kind in "OU":
            tensor = numpy_helper.from_array(array.astype(object), name)
        else:
            tensor = numpy_helper.from_array(array, name)
        self._constants.append(tensor)
        return name

    def dense(self, features: str, weights: ArrayLike, bias: ArrayLike) -> str:
        """`features @ weights + bias`."""
        return self.add("Gemm", features, self.constant(weights), self.constant(bias))

    def classify(self, logits: str, classes: np.ndarray) -> None:
        """The two outputs of a classifier: softmax of the logits, and the class of the largest."""
        probabilities = self.add("Softmax", logits, output="probabilities", axis=1)
        best = self.add("ArgMax", probabilities, axis=1, keepdims=0)
        self.add("Gather", self.constant(classes), best, output="label", axis=0)

    def to_bytes(self, signature: Signature) -> bytes:
        """The finished model.

        Raises:
            onnx.checker.ValidationError: a defect in the caller's nodes.
        """
        graph = helper.make_graph(
            self._nodes,
            "model",
            [_value(spec) for spec in signature.inputs],
            [_value(spec) for spec in signature.outputs],
            initializer=self._constants,
        )
        opsets = [helper.make_opsetid("", self._opset), helper.make_opsetid(_ML_DOMAIN, ML_OPSET)]
        if any(node.domain == _CONTRIB_DOMAIN for node in self._nodes):
            opsets.append(helper.make_opsetid(_CONTRIB_DOMAIN, 1))
        model = helper.make_model(graph, producer_name="modelyard", opset_imports=opsets, ir_version=IR_VERSION)
        onnx.checker.check_model(model)
        content: bytes = model.SerializeToString(deterministic=True)
        return content


def _value(spec: TensorSpec) -> onnx.ValueInfoProto:
    shape = [size if size > 0 else None for size in spec.shape]
    return helper.make_tensor_value_info(spec.name, _TYPES[spec.datatype], shape)
