"""An ONNX bundle that answers every input under the name `same_<input>`: what came in is what comes out."""

from pathlib import Path

import onnx
from onnx import TensorProto, helper

from modelyard.runtimes.bundle import write_manifest
from modelyard.types.models import ArtifactFormat, Manifest, ModelCard
from modelyard.types.signatures import DataType, Signature, TensorSpec

_KINDS = {
    DataType.BOOL: TensorProto.BOOL,
    DataType.UINT8: TensorProto.UINT8,
    DataType.INT32: TensorProto.INT32,
    DataType.INT64: TensorProto.INT64,
    DataType.FP32: TensorProto.FLOAT,
    DataType.FP64: TensorProto.DOUBLE,
    DataType.BYTES: TensorProto.STRING,
}


def same_bundle(folder: Path, *specs: TensorSpec) -> Path:
    """The bundle, in a new folder."""
    folder.mkdir()
    nodes = [helper.make_node("Identity", [spec.name], [f"same_{spec.name}"]) for spec in specs]

    def values(prefix: str) -> list[onnx.ValueInfoProto]:
        return [
            helper.make_tensor_value_info(
                prefix + spec.name, _KINDS[spec.datatype], [None if size < 0 else size for size in spec.shape]
            )
            for spec in specs
        ]

    graph = helper.make_graph(nodes, "same", values(""), values("same_"))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, folder / "model.onnx")
    outputs = tuple(
        TensorSpec(name=f"same_{spec.name}", datatype=spec.datatype, shape=spec.shape, columns=spec.columns)
        for spec in specs
    )
    manifest = Manifest(
        artifact="model.onnx",
        artifact_format=ArtifactFormat.ONNX,
        signature=Signature(inputs=specs, outputs=outputs),
        card=ModelCard(task="other"),
    )
    write_manifest(folder, manifest)
    return folder
