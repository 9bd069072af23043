"""An ONNX bundle that takes as long as its input says: small, pure, and slow at will, or for ever."""

from pathlib import Path

import onnx
from onnx import TensorProto, helper

from modelyard.runtimes.bundle import write_golden, write_manifest
from modelyard.types.models import ArtifactFormat, Manifest, ModelCard
from modelyard.types.signatures import DataType, Signature, TensorSpec
from modelyard.types.tensors import GoldenRequest, GoldenSet, JsonTensor

SIGNATURE = Signature(
    inputs=(TensorSpec(name="rounds", datatype=DataType.INT64, shape=(-1, 1)),),
    outputs=(TensorSpec(name="done", datatype=DataType.INT64, shape=(-1, 1)),),
)
FOR_EVER = 1 << 60
"""Rounds that nobody lives to see the end of; a hundred thousand take a few tenths of a second."""


def looping_bundle(folder: Path) -> Path:
    """The bundle, in a new folder. It counts to the largest `rounds` of its batch and gives `rounds` back."""
    folder.mkdir(parents=True)
    onnx.save(_model(), folder / "model.onnx")
    manifest = Manifest(
        artifact="model.onnx",
        artifact_format=ArtifactFormat.ONNX,
        signature=SIGNATURE,
        card=ModelCard(task="other"),
    )
    write_manifest(folder, manifest)
    rounds = JsonTensor(name="rounds", datatype=DataType.INT64, shape=(2, 1), data=[3, 5])
    done = JsonTensor(name="done", datatype=DataType.INT64, shape=(2, 1), data=[3, 5])
    write_golden(folder, GoldenSet(requests=(GoldenRequest(inputs=(rounds,), outputs=(done,), tolerance=0.0),)))
    return folder


def _model() -> onnx.ModelProto:
    scalar: list[int] = []
    rows = [None, 1]
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["still"]),
            helper.make_node("Add", ["sum", "round"], ["more"]),
        ],
        "counting",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, scalar),
            helper.make_tensor_value_info("go", TensorProto.BOOL, scalar),
            helper.make_tensor_value_info("sum", TensorProto.INT64, scalar),
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, scalar),
            helper.make_tensor_value_info("more", TensorProto.INT64, scalar),
        ],
    )
    nodes = [
        helper.make_node("ReduceMax", ["rounds"], ["most"], keepdims=0),
        helper.make_node("Constant", [], ["yes"], value=helper.make_tensor("yes", TensorProto.BOOL, scalar, [True])),
        helper.make_node("Constant", [], ["zero"], value=helper.make_tensor("zero", TensorProto.INT64, scalar, [0])),
        helper.make_node("Loop", ["most", "yes", "zero"], ["total"], body=body),
        helper.make_node("Mul", ["total", "zero"], ["nothing"]),
        helper.make_node("Add", ["rounds", "nothing"], ["done"]),
    ]
    graph = helper.make_graph(
        nodes,
        "looping",
        [helper.make_tensor_value_info("rounds", TensorProto.INT64, rows)],
        [helper.make_tensor_value_info("done", TensorProto.INT64, rows)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
