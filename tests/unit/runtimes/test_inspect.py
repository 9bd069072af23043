"""A bare artifact becomes a complete bundle, or is refused with a way out."""

import json
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import lightgbm
import numpy as np
import onnx
import pytest
import skops.io
import xgboost
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from sklearn.datasets import load_iris
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPClassifier

from modelyard.errors import TooLargeError
from modelyard.runtimes.base import ArtifactInvalidError
from modelyard.runtimes.bundle import load_bundle, read_golden, read_manifest
from modelyard.runtimes.formats.skops import TypesUntrustedError
from modelyard.runtimes.golden import mismatches
from modelyard.runtimes.inspect import inspect, main
from modelyard.runtimes.sniff import ArtifactArchiveUnsafeError, PickleRefusedError
from modelyard.types.models import ArtifactFormat, Task

ROWS, TARGET = load_iris(return_X_y=True)
ROWS = ROWS.astype(np.float32)
SPECIES = np.array(["setosa", "versicolor", "virginica"])[TARGET]


@pytest.fixture
def artifact(tmp_path):
    return tmp_path / "artifact"


@pytest.fixture
def output(tmp_path):
    (tmp_path / "bundle").mkdir()
    return tmp_path / "bundle"


def answers_its_golden_requests(folder: Path) -> bool:
    _, predictor = load_bundle(folder)
    return mismatches(read_golden(folder), predictor.predict) == []


def save_onnx(path: Path, nodes: list, inputs: list, outputs: list, constants: list | None = None) -> None:
    graph = helper.make_graph(nodes, "g", inputs, outputs, initializer=constants or [])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


def test_a_forest_in_skops_is_served_as_onnx_because_it_agrees(artifact, output):
    model = RandomForestClassifier(20, random_state=0).fit(ROWS, SPECIES)
    skops.io.dump(model, artifact)
    manifest = inspect(artifact, output, name="forest.skops")
    assert (manifest.artifact_format, manifest.card.task) == (ArtifactFormat.ONNX, Task.TABULAR_CLASSIFICATION)
    assert manifest.signature.class_names == ("setosa", "versicolor", "virginica")
    assert manifest.card.parity.is_equal
    assert manifest.card.parity.rows > 500
    assert sorted(path.name for path in output.iterdir()) == [
        "compilation.json", "environment.lock", "golden.json", "manifest.json", "model.onnx", "original.skops",
    ]  # fmt: skip
    assert read_manifest(output) == manifest
    answer = load_bundle(output)[1].predict({"numeric": ROWS})
    assert (answer["label"] == model.predict(ROWS)).all()
    assert answers_its_golden_requests(output)


def test_a_model_without_an_onnx_form_is_served_by_its_framework_and_the_card_says_why(artifact, output):
    skops.io.dump(HistGradientBoostingClassifier(max_iter=5).fit(ROWS, TARGET), artifact)
    manifest = inspect(artifact, output)
    served_as = manifest.artifact_format
    assert manifest.card.findings
    assert manifest.card.parity.is_equal == (served_as is ArtifactFormat.ONNX)
    assert manifest.signature.inputs[0].allows_missing
    assert answers_its_golden_requests(output)


def test_a_model_that_splits_on_categories_stays_with_xgboost(artifact, output):
    data = xgboost.DMatrix(np.round(ROWS), TARGET, feature_types=["c", "q", "q", "q"], enable_categorical=True)
    booster = xgboost.train({"objective": "multi:softmax", "num_class": 3, "tree_method": "hist"}, data, 5)
    booster.save_model(artifact.with_suffix(".json"))
    manifest = inspect(artifact.with_suffix(".json"), output)
    assert manifest.artifact_format is ArtifactFormat.XGBOOST
    assert "categories" in manifest.card.findings[0]
    assert not (output / "model.onnx").exists()
    assert answers_its_golden_requests(output)


def test_xgboost_and_lightgbm_with_feature_names_become_onnx(tmp_path, output):
    names = ["sepal length", "sepal width", "petal length", "petal width"]
    booster = xgboost.train(
        {"objective": "binary:logistic"}, xgboost.DMatrix(ROWS, TARGET == 1, feature_names=names), 5
    )
    booster.save_model(tmp_path / "m.ubj")
    manifest = inspect(tmp_path / "m.ubj", output)
    assert manifest.artifact_format is ArtifactFormat.ONNX
    assert manifest.signature.inputs[0].columns == tuple(names)
    second = tmp_path / "second"
    second.mkdir()
    data = lightgbm.Dataset(ROWS, ROWS[:, 0] * 2)
    lightgbm.train({"objective": "regression", "verbose": -1}, data, 5).save_model(tmp_path / "m.txt")
    manifest = inspect(tmp_path / "m.txt", second)
    assert (manifest.artifact_format, manifest.card.task) == (ArtifactFormat.ONNX, Task.TABULAR_REGRESSION)
    assert manifest.signature.outputs[0].shape == (-1,)


@pytest.mark.parametrize("options", [None, {"zipmap": False}, {"zipmap": "columns"}])
@pytest.mark.parametrize("target", [SPECIES, TARGET])
def test_the_outputs_of_skl2onnx_classifiers_are_recognised(options, target, artifact, output):
    model = LogisticRegression(max_iter=500).fit(ROWS, target)
    artifact.write_bytes(to_onnx(model, ROWS[:1], options=options).SerializeToString())
    manifest = inspect(artifact, output)
    if options == {"zipmap": "columns"}:
        assert len(manifest.signature.outputs) == 4  # one output per class: served under their own names
        return
    assert [spec.name for spec in manifest.signature.outputs] == ["label", "probabilities"]
    assert manifest.signature.class_names == tuple(str(name) for name in model.classes_)
    answer = load_bundle(output)[1].predict({"X": ROWS})
    assert answer["label"].tolist() == model.predict(ROWS).tolist()
    np.testing.assert_allclose(answer["probabilities"], model.predict_proba(ROWS), atol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_neural_network_with_class_names_is_recognised(dtype, artifact, output):
    model = MLPClassifier((8,), max_iter=300, random_state=0, tol=1e-2).fit(ROWS, SPECIES)
    artifact.write_bytes(to_onnx(model, ROWS[:1].astype(dtype), options={"zipmap": False}).SerializeToString())
    manifest = inspect(artifact, output)
    assert manifest.signature.class_names == ("setosa", "versicolor", "virginica")
    assert manifest.signature.outputs[1].datatype == "FP32"
    answer = load_bundle(output)[1].predict({"X": ROWS.astype(dtype)})
    assert answer["label"].tolist() == model.predict(ROWS).tolist()


def test_a_regressor_answers_a_vector_named_prediction(artifact, output):
    model = LinearRegression().fit(ROWS, ROWS[:, 0] * 2)
    artifact.write_bytes(to_onnx(model, ROWS[:1]).SerializeToString())
    manifest = inspect(artifact, output)
    assert [(spec.name, spec.shape) for spec in manifest.signature.outputs] == [("prediction", (-1,))]
    np.testing.assert_allclose(
        load_bundle(output)[1].predict({"X": ROWS})["prediction"], model.predict(ROWS), rtol=1e-4
    )


def test_a_plain_network_is_served_under_its_own_names(artifact, output):
    save_onnx(
        artifact,
        [helper.make_node("Relu", ["pixels"], ["logits"])],
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["batch", 3, 8, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 3, 8, 8])],
    )
    manifest = inspect(artifact, output)
    assert manifest.card.task == Task.OTHER
    assert manifest.signature.inputs[0].shape == (-1, 3, 8, 8)
    assert (output / "model.onnx").read_bytes() == artifact.read_bytes()
    assert answers_its_golden_requests(output)


def test_indices_into_a_table_are_tried_with_zeros(artifact, output):
    table = helper.make_tensor("table", TensorProto.FLOAT, [2, 3], [0.0, 1, 2, 3, 4, 5])
    save_onnx(
        artifact,
        [helper.make_node("Gather", ["table", "ids"], ["vectors"])],
        [helper.make_tensor_value_info("ids", TensorProto.INT64, [None, 4])],
        [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, [None, 4, 3])],
        [table],
    )
    inspect(artifact, output)
    assert answers_its_golden_requests(output)


class Stranger:
    def __reduce__(self):
        return os.mkdir, (str(Path(__file__).parent / "executed"),)


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_is_refused_and_never_loaded(protocol, artifact, output):
    for value in (Stranger(), {"a": 1}, [np.ones(3)], LogisticRegression()):
        artifact.write_bytes(pickle.dumps(value, protocol=protocol))
        with pytest.raises(PickleRefusedError) as refused:
            inspect(artifact, output)
        assert "ONNX" in refused.value.hint
    assert not (Path(__file__).parent / "executed").exists()


@pytest.mark.parametrize("level", ["gzip", "zlib", "bz2", "lzma"])
def test_a_compressed_pickle_is_refused(level, artifact, output):
    artifact.write_bytes(__import__(level).compress(pickle.dumps(Stranger())))
    with pytest.raises(PickleRefusedError):
        inspect(artifact, output)


def test_a_torch_checkpoint_is_refused(artifact, output):
    with zipfile.ZipFile(artifact, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Stranger()))
    with pytest.raises(PickleRefusedError, match="PyTorch"):
        inspect(artifact, output)


def test_a_zip_bomb_and_a_name_that_leaves_its_folder_are_refused(artifact, output):
    with zipfile.ZipFile(artifact, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", b"0" * (300 << 20))
    with pytest.raises(ArtifactArchiveUnsafeError, match="bytes"):
        inspect(artifact, output)
    with zipfile.ZipFile(artifact, "w") as archive:
        archive.writestr("../../schema.json", "{}")
    with pytest.raises(ArtifactArchiveUnsafeError, match="leaves"):
        inspect(artifact, output)


def test_a_skops_file_with_a_type_of_its_own_is_refused_by_name(artifact, output):
    skops.io.dump(LogisticRegression().fit(ROWS, TARGET), artifact)
    with zipfile.ZipFile(artifact) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    entries["schema.json"] = (
        entries["schema.json"]
        .replace(b'"LogisticRegression"', b'"Popen"')
        .replace(b"sklearn.linear_model._logistic", b"subprocess")
    )
    with zipfile.ZipFile(artifact, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    with pytest.raises(TypesUntrustedError, match=r"subprocess\.Popen"):
        inspect(artifact, output)


def test_weights_in_other_files_are_refused(artifact, output):
    weights = helper.make_tensor("w", TensorProto.FLOAT, [4], np.ones(4, np.float32).tobytes(), raw=True)
    save_onnx(
        artifact,
        [helper.make_node("Add", ["x", "w"], ["y"])],
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 4])],
        [weights],
    )
    model = onnx.load(artifact)
    onnx.external_data_helper.set_external_data(model.graph.initializer[0], "../../../etc/passwd")
    model.graph.initializer[0].ClearField("raw_data")
    artifact.write_bytes(model.SerializeToString())
    with pytest.raises(ArtifactInvalidError, match="other files"):
        inspect(artifact, output)


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"{}", b"\x08" * 50, b"PK\x03\x04rest", bytes(100), b"tree\nversion=v4\n"]
)
def test_anything_else_is_refused_with_a_hint(content, artifact, output):
    artifact.write_bytes(content)
    with pytest.raises(ArtifactInvalidError) as refused:
        inspect(artifact, output)
    assert refused.value.hint


def test_a_file_over_the_limit_is_refused(artifact, output):
    artifact.write_bytes(bytes(1000))
    with pytest.raises(TooLargeError, match="999 are allowed"):
        inspect(artifact, output, max_bytes=999)


def test_the_command_writes_the_reason_of_a_refusal(artifact, output):
    artifact.write_bytes(pickle.dumps([1]))
    assert main(["--artifact", str(artifact), "--output", str(output)]) == 1
    report = json.loads((output / "error.json").read_text())
    assert report["code"] == "pickle_refused"
    assert report["hint"]


def test_a_worker_of_an_onnx_model_imports_no_framework(artifact, output):
    artifact.write_bytes(to_onnx(LinearRegression().fit(ROWS, TARGET), ROWS[:1]).SerializeToString())
    inspect(artifact, output)
    code = (
        "import sys, pathlib; from modelyard.runtimes.bundle import load_bundle, read_golden\n"
        "from modelyard.runtimes.golden import mismatches; from modelyard.runtimes.validate import check_inputs\n"
        f"folder = pathlib.Path({str(output)!r}); _, p = load_bundle(folder)\n"
        "assert mismatches(read_golden(folder), p.predict) == []\n"
        "heavy = {'sklearn', 'scipy', 'onnx', 'skl2onnx', 'xgboost', 'lightgbm', 'pydantic', 'sqlalchemy', 'httpx'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
