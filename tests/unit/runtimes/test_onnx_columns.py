"""An ONNX file may name the columns of its inputs."""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from modelyard.runtimes.base import ArtifactInvalidError
from modelyard.runtimes.formats.onnx import COLUMNS, OnnxRuntime
from modelyard.spark import COLUMNS as WRITTEN
from modelyard.spark import _gather


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


@pytest.mark.parametrize("opset", [11, 15])
def test_columns_of_sparks_become_one_input_of_numbers_and_one_of_texts(opset: int):
    singles = [("rooms", TensorProto.FLOAT), ("town", TensorProto.STRING), ("area", TensorProto.FLOAT)]
    graph = helper.make_graph(
        [helper.make_node("Add", ["rooms", "area"], ["sum"]), helper.make_node("Identity", ["town"], ["same"])],
        "sums",
        [helper.make_tensor_value_info(name, type_, [None, 1]) for name, type_ in singles],
        [
            helper.make_tensor_value_info("sum", TensorProto.FLOAT, [None, 1]),
            helper.make_tensor_value_info("same", TensorProto.STRING, [None, 1]),
        ],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=7)
    inputs = _gather(made, {"rooms": "int", "town": "string", "area": "double"})
    assert inputs == {"numbers": ["rooms", "area"], "texts": ["town"]}
    session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    rows = {"numbers": np.array([[1, 2], [3, 4]], np.float32), "texts": np.array([["x"], ["y"]], object)}
    sums, same = session.run(None, rows)
    assert (sums.tolist(), same.tolist()) == ([[3.0], [7.0]], [["x"], ["y"]])
    assert json.loads(session.get_modelmeta().custom_metadata_map[COLUMNS]) == inputs
