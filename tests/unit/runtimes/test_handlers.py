"""SageMaker's script handlers: what they take, what they answer, and what their mistakes look like."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import xgboost

from modelyard.runtimes.base import ArtifactInvalidError, Predictor
from modelyard.runtimes.bundle import load_bundle, read_golden
from modelyard.runtimes.foreign.inspect import inspect_program
from modelyard.types.models import ArtifactFormat
from modelyard.types.serving.bodies import BODY_SIGNATURE

MODEL_FN = (
    "import json, os\ndef model_fn(model_dir):\n    return json.load(open(os.path.join(model_dir, 'weights.json')))\n"
)
DOT = MODEL_FN + "def predict_fn(data, model):\n    return (data * model).sum(axis=1)\n"
BOOSTER = (
    "import os, xgboost\n"
    "def model_fn(model_dir):\n"
    "    return xgboost.Booster(model_file=os.path.join(model_dir, 'xgboost-model'))\n"
    "def predict_fn(data, model):\n"
    "    return model.predict(data, output_margin=True)\n"
)
PARTS = MODEL_FN + (
    "def transform_fn(model, body, content_type, accept):\n"
    "    def words():\n"
    "        for word in body.decode().split():\n"
    "            if word == 'stop':\n"
    "                raise RuntimeError('told to stop')\n"
    "            yield word.upper()\n"
    "    return words(), 'text/plain'\n"
)


def folder_of(path: Path, source: str) -> Path:
    (path / "code").mkdir()
    (path / "code" / "inference.py").write_text(source)
    (path / "weights.json").write_text("[1, 2, 3]")
    (path / "handlers.json").write_text('{"program": "code/inference.py"}')
    return path


@contextmanager
def loaded(path: Path, source: str) -> Iterator[Predictor]:
    manifest = inspect_program(folder_of(path, source))
    assert manifest.artifact_format is ArtifactFormat.HANDLERS
    assert manifest.signature == BODY_SIGNATURE
    assert read_golden(path).requests == ()
    _, predictor = load_bundle(path)
    try:
        yield predictor
    finally:
        predictor.close()  # type: ignore[attr-defined]


def request(body: bytes, content_type: str = "text/csv", accept: str = "") -> dict[str, np.ndarray]:
    words = {"content_type": content_type, "accept": accept, "custom_attributes": "", "target": ""}
    texts = {name: np.array([value], dtype=object) for name, value in words.items()}
    return {"body": np.frombuffer(body, np.uint8).reshape(1, -1), **texts}


def test_handlers_that_are_left_out_read_and_write_json_and_csv_and_npy(tmp_path: Path):
    with loaded(tmp_path, DOT) as predictor:
        for body, content_type, accept, wanted in (
            (b"1,1,1\n0,0,2", "text/csv", "application/json", b"[6.0, 6.0]"),
            (b"[[1, 1, 1]]", "application/json", "text/csv", b"6"),
        ):
            answer = predictor.predict(request(body, content_type, accept))
            assert answer["body"].tobytes() == wanted
            assert answer["content_type"].tolist() == [accept]
            assert answer["status"].tolist() == [200]


def test_a_booster_of_xgboost_gets_its_own_matrix_of_csv_and_of_libsvm(tmp_path: Path):
    table = np.random.default_rng(3).normal(size=(80, 3)).astype(np.float32)
    data = xgboost.DMatrix(table, (table[:, 0] > table[:, 2]).astype(int))
    booster = xgboost.train({"objective": "binary:logistic", "nthread": 1}, data, 4)
    (tmp_path / "xgboost-model").write_bytes(booster.save_raw("ubj"))
    asked = np.array([[0.5, np.nan, -1.0], [-2.0, np.nan, 0.25]], np.float32)
    with loaded(tmp_path, BOOSTER) as predictor:
        for body, content_type in (
            (b"0.5,nan,-1.0\n-2.0,nan,0.25\n", "text/csv"),
            (b"1 0:0.5 2:-1.0\n0:-2.0 2:0.25\n", "text/libsvm"),
        ):
            answer = predictor.predict(request(body, content_type, "application/json"))
            wanted = booster.predict(xgboost.DMatrix(asked), output_margin=True)
            assert json.loads(answer["body"].tobytes()) == pytest.approx(wanted.tolist(), abs=1e-6)
        for wrong in (b"1 3:0.5", b"1 -1:0.5", b"1 qid:1 0:0.5", b"1 0"):
            answer = predictor.predict(request(wrong, "text/libsvm", "application/json"))
            assert answer["status"].tolist() == [400]
            assert b"is no pair" in answer["body"].tobytes()


@pytest.mark.parametrize(
    ("body", "content_type", "status", "words"),
    [(b"1", "image/png", 415, b"image/png"), (b"1,x,3", "text/csv", 500, b"ValueError: could not convert")],
)
def test_what_a_script_cannot_do_is_an_answer_with_its_status(
    tmp_path: Path, body: bytes, content_type: str, status: int, words: bytes
):
    with loaded(tmp_path, DOT) as predictor:
        answer = predictor.predict(request(body, content_type))
        assert answer["status"].tolist() == [status]
        assert words in answer["body"].tobytes()
        assert predictor.predict(request(b"1,1,1"))["status"].tolist() == [200]


def test_an_answer_that_is_an_iterator_goes_out_in_parts(tmp_path: Path):
    with loaded(tmp_path, PARTS) as predictor:
        parts = [part["body"].tobytes() for part in predictor.stream(request(b"one two", "text/x")) if part]
        assert parts == [b"ONE", b"TWO"]
        assert predictor.predict(request(b"one two", "text/x"))["body"].tobytes() == b"ONETWO"
        assert predictor.predict(request(b"one stop", "text/x"))["status"].tolist() == [500]


@pytest.mark.parametrize(
    ("source", "handlers", "words"),
    [
        ("x = 1", {"program": "code/inference.py"}, "no function 'model_fn'"),
        (DOT, {"program": "code/other.py"}, "no script"),
        (DOT, {"program": "../outside.py"}, "no script"),
        (DOT, {"code": "x"}, "not valid"),
    ],
)
def test_a_folder_without_a_usable_script_is_refused(tmp_path: Path, source: str, handlers: dict, words: str):
    folder_of(tmp_path, source)
    (tmp_path / "handlers.json").write_text(json.dumps(handlers))
    with pytest.raises(ArtifactInvalidError, match=words):
        inspect_program(tmp_path)
