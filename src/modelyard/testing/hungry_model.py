"""An ONNX bundle that takes as much memory as its input says: small, pure, and large at will."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from modelyard.runtimes.bundle import write_manifest
from modelyard.types.models import ArtifactFormat, Manifest, ModelCard
from modelyard.types.signatures import DataType, Signature, TensorSpec

SIGNATURE = Signature(
    inputs=(TensorSpec(name="megabytes", datatype=DataType.INT64, shape=(-1, 1)),),
    outputs=(TensorSpec(name="done", datatype=DataType.INT64, shape=(-1, 1)),),
)
_FLOATS_PER_MEGABYTE = 1 << 18


def hungry_bundle(folder: Path) -> Path:
    """The bundle, in a new folder. It fills the largest `megabytes` of its batch and gives `megabytes` back."""
    folder.mkdir(parents=True)
    onnx.save(_model(), folder / "model.onnx")
    card = ModelCard(task="other")
    manifest = Manifest(artifact="model.onnx", artifact_format=ArtifactFormat.ONNX, signature=SIGNATURE, card=card)
    write_manifest(folder, manifest)
    return folder


def _model() -> onnx.ModelProto:
    nodes = [
        helper.make_node("ReduceMax", ["megabytes"], ["most"], axes=[0], keepdims=0),
        helper.make_node("Mul", ["most", "floats"], ["size"]),
        helper.make_node("ConstantOfShape", ["size"], ["filled"]),
        helper.make_node("ReduceSum", ["filled"], ["sum"], keepdims=0),
        helper.make_node("Cast", ["sum"], ["nothing"], to=TensorProto.INT64),
        helper.make_node("Add", ["megabytes", "nothing"], ["done"]),
    ]
    rows = [None, 1]
    graph = helper.make_graph(
        nodes,
        "hungry",
        [helper.make_tensor_value_info("megabytes", TensorProto.INT64, rows)],
        [helper.make_tensor_value_info("done", TensorProto.INT64, rows)],
        [numpy_helper.from_array(np.array([_FLOATS_PER_MEGABYTE]), "floats")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
