"""Which folders are programs, and what is refused before anything runs."""

import importlib.util
import json
from pathlib import Path

import pytest

from modelyard.runtimes.base import ArtifactInvalidError
from modelyard.runtimes.catalog import runtime_for
from modelyard.runtimes.foreign.inspect import inspect_program
from modelyard.runtimes.foreign.kinds import PROGRAM_FILES, program_format
from modelyard.runtimes.foreign.needs import equipped, needed_gpus
from modelyard.runtimes.foreign.runtime import ProgramRuntime
from modelyard.runtimes.formats.programs.tensorflow import TensorflowRuntime
from modelyard.runtimes.formats.programs.torch import TorchRuntime
from modelyard.types.models import ArtifactFormat
from modelyard.types.processes import Resources
from modelyard.types.signatures import Signature

SPEC = {"name": "x", "datatype": "FP32", "shape": [-1, 3]}


def test_every_format_that_runs_code_is_a_program_and_no_other_is():
    assert {kind for kind in ArtifactFormat if kind.runs_code} == set(PROGRAM_FILES.values())
    for kind in ArtifactFormat:
        assert isinstance(runtime_for(kind), ProgramRuntime) is kind.runs_code


def test_a_folder_is_told_by_the_names_in_it():
    assert program_format(["MLmodel", "model.py", "requirements.txt"]) is ArtifactFormat.MLFLOW
    assert program_format(["server.json", "model.py"]) is ArtifactFormat.HTTP
    assert program_format(["code/model.py", "model.onnx"]) is None


@pytest.mark.parametrize(
    ("signature", "words"),
    [
        ("{", "is not valid"),
        (json.dumps({"inputs": [SPEC]}), "is not valid"),
        (json.dumps({"inputs": [SPEC], "outputs": []}), "names no inputs or no outputs"),
        (json.dumps({"inputs": [SPEC | {"datatype": "FP99"}], "outputs": [SPEC]}), "FP99"),
    ],
)
def test_a_signature_that_cannot_be_used_is_refused_before_the_program_runs(tmp_path: Path, signature: str, words: str):
    (tmp_path / "model.py").write_text("raise SystemExit")
    (tmp_path / "signature.json").write_text(signature)
    with pytest.raises(ArtifactInvalidError) as refused:
        inspect_program(tmp_path)
    assert words in refused.value.message


def test_a_tensorflow_model_without_requirements_says_which_to_add(tmp_path: Path):
    with pytest.raises(ArtifactInvalidError, match="and the platform has no TensorFlow") as refused:
        TensorflowRuntime().load(tmp_path / "model.keras", Signature(inputs=(), outputs=()))
    assert "tensorflow-cpu" in refused.value.hint


def test_a_torch_program_without_torch_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "model.pt2").write_bytes(b"PK")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(ArtifactInvalidError, match="the platform has no torch") as refused:
        TorchRuntime().load(tmp_path / "model.pt2", Signature(inputs=(), outputs=()))
    assert "requirements.txt" in refused.value.hint


@pytest.mark.parametrize(("written", "gpus"), [(None, 0), ("{}", 0), ('{"gpus": 0.5}', 0.5), ('{"gpus": 2}', 2)])
def test_a_program_says_how_many_accelerators_it_cannot_do_without(tmp_path: Path, written: str | None, gpus: float):
    if written is not None:
        (tmp_path / "resources.json").write_text(written)
    assert equipped(Resources(cpus=1), tmp_path) == Resources(cpus=1, gpus=gpus)
    assert equipped(Resources(gpus=4), tmp_path).gpus == 4, "the endpoint's owner goes first"


@pytest.mark.parametrize("written", ["{", '{"gpus": -1}', '{"gpu": 1}', '{"gpus": "one"}'])
def test_what_is_no_number_of_accelerators_is_refused(tmp_path: Path, written: str):
    (tmp_path / "resources.json").write_text(written)
    with pytest.raises(ArtifactInvalidError, match=r"resources\.json") as refused:
        needed_gpus(tmp_path)
    assert "gpus" in refused.value.hint
