"""An ONNX file may name the columns of its inputs."""

import json
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from modelyard.runtimes.base import ArtifactInvalidError
from modelyard.runtimes.formats.onnx import COLUMNS, OnnxRuntime
from modelyard.spark import COLUMNS as WRITTEN


def model(folder: Path, told: str) -> Path:
    graph = helper.make_graph(
        [helper.make_node("Identity", ["numbers"], ["same"])],
        "same",
        [helper.make_tensor_value_info("numbers", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor_value_info("same", TensorProto.FLOAT, [None, 2])],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    helper.set_model_props(made, {COLUMNS: told})
    onnx.save(made, folder / "model.onnx")
    return folder / "model.onnx"


def test_columns_that_a_file_names_are_those_of_its_signature(tmp_path: Path):
    told = json.dumps({"numbers": ["rooms", "area"], "another": ["x"]})
    (spec,) = OnnxRuntime().infer_signature(model(tmp_path, told)).inputs
    assert (spec.columns, WRITTEN) == (("rooms", "area"), COLUMNS)
    (spec,) = OnnxRuntime().infer_signature(model(tmp_path, "{}")).inputs
    assert spec.columns == ()


@pytest.mark.parametrize("told", ["no json", "[]", '{"numbers": 3}', '{"numbers": ["a"]}', '{"numbers": ["a", "a"]}'])
def test_names_that_do_not_fit_are_refused(tmp_path: Path, told: str):
    with pytest.raises(ArtifactInvalidError, match=r"metadata 'modelyard\.columns'"):
        OnnxRuntime().infer_signature(model(tmp_path, told))
