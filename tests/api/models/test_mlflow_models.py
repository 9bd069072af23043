"""Folders that MLflow wrote: what is read of MLmodel, and a real one that answers in its own environment."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from modelyard.control.models.bundles import bundle_files
from modelyard.control.models.registration import Submission
from modelyard.engines.local.engine import LocalEngine
from modelyard.runtimes.base import ArtifactInvalidError
from modelyard.runtimes.bundle import load_bundle, read_manifest, write_manifest
from modelyard.runtimes.formats.programs.mlflow import MlflowRuntime
from modelyard.settings import Home
from modelyard.storage.database import Database
from modelyard.testing.registry import LocalRegistry
from modelyard.types.signatures import DataType

REQUIREMENTS = "mlflow-skinny>=3\nnumpy>=2\npandas>=2\n"
SAVE = """
import sys
import mlflow.pyfunc
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema

class Model(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return model_input["area"] * model_input["rooms"] + model_input["town"].str.len()

inputs = Schema([ColSpec("double", "area"), ColSpec("string", "town"), ColSpec("double", "rooms")])
signature = ModelSignature(inputs=inputs, outputs=Schema([ColSpec("double")]))
requirements = open(sys.argv[2]).read().split()
mlflow.pyfunc.save_model(sys.argv[1], python_model=Model(), signature=signature, pip_requirements=requirements)
"""


def mlmodel(folder: Path, inputs: object, outputs: object, flavour: str = "python_function") -> Path:
    path = folder / "MLmodel"
    signature = {"inputs": json.dumps(inputs), "outputs": json.dumps(outputs)}
    path.write_text(json.dumps({"flavors": {flavour: {}}, "signature": signature}))  # JSON is YAML
    return path


def test_columns_of_one_type_are_one_tensor_and_tensors_stay_as_they_are(tmp_path: Path):
    columns = [
        {"type": "double", "name": "a"},
        {"type": "string", "name": "b"},
        {"type": "double", "name": "c", "required": False},
    ]
    tensor = {"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 4]}}
    signature = MlflowRuntime().infer_signature(mlmodel(tmp_path, columns, [tensor]))
    first, second = signature.inputs
    assert (first.name, first.datatype, first.shape, first.columns) == ("double", DataType.FP64, (-1, 2), ("a", "c"))
    assert first.allows_missing
    assert (second.name, second.columns, second.allows_missing) == ("string", ("b",), False)
    assert [(o.name, o.datatype, o.shape) for o in signature.outputs] == [("prediction", DataType.FP32, (-1, 4))]


@pytest.mark.parametrize("inputs", [[{"type": "any"}], [{"type": "datetime", "name": "x"}], None])
def test_a_model_without_a_typed_signature_is_refused_unless_somebody_wrote_one(tmp_path: Path, inputs: object):
    path = mlmodel(tmp_path, inputs, inputs)
    with pytest.raises(ArtifactInvalidError, match="no signature that can be served"):
        MlflowRuntime().infer_signature(path)
    spec = {"name": "x", "datatype": "FP32", "shape": [-1, 3]}
    (tmp_path / "signature.json").write_text(json.dumps({"inputs": [spec], "outputs": [spec]}))
    assert MlflowRuntime().infer_signature(path).inputs[0].shape == (-1, 3)


def test_a_folder_without_the_python_flavour_or_without_sense_is_refused(tmp_path: Path):
    signature = MlflowRuntime().infer_signature(mlmodel(tmp_path, [{"type": "long"}], [{"type": "long"}]))
    with pytest.raises(ArtifactInvalidError, match="no python_function flavour"):
        MlflowRuntime().load(mlmodel(tmp_path, [], [], flavour="r"), signature)
    (tmp_path / "MLmodel").write_text("a: [")
    with pytest.raises(ArtifactInvalidError, match="cannot be read"):
        MlflowRuntime().load(tmp_path / "MLmodel", signature)


@pytest.mark.slow
def test_a_model_that_mlflow_saved_answers_in_its_own_environment(database: Database, tmp_path: Path):
    home = Home(tmp_path / "home")
    home.create()
    registry = LocalRegistry(database, home.run, LocalEngine(home))
    registry.projects.permit_code("default", "tests")
    python = registry.environments.ensure(registry.environments.lock(REQUIREMENTS))
    (tmp_path / "save.py").write_text(SAVE)
    (tmp_path / "requirements.txt").write_text(REQUIREMENTS)
    saved = tmp_path / "model"
    subprocess.run(
        [python, "save.py", saved, "requirements.txt"], cwd=tmp_path, check=True, capture_output=True, timeout=120
    )
    version = registry.registration.register("default", "houses", bundle_files(saved), Submission())
    assert [spec.columns for spec in version.manifest.signature.inputs] == [("area", "rooms"), ("town",)]
    write_manifest(saved, version.manifest)
    assert read_manifest(saved) == version.manifest
    predictor = load_bundle(saved, python=python)[1]
    rows = {"double": np.array([[10.0, 3], [20, 4]]), "string": np.array([["Delft"], ["Ghent!"]], dtype=object)}
    assert predictor.predict(rows)["prediction"].tolist() == [35.0, 86.0]
    predictor.close()
