"""Artifacts that come alone: what is inferred from good ones, and that bad ones do no harm."""

import io
import json
import pickle
import struct
import zipfile
import zlib

import joblib
import numpy as np
import onnx
import pytest
import skops.io
from onnx import TensorProto, helper
from sklearn.linear_model import LogisticRegression

MODELS = "/projects/default/models"


def code(answer) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def onnx_model(*, external: bool = False) -> bytes:
    weights = helper.make_tensor("w", TensorProto.FLOAT, [2, 1], np.ones(2, np.float32).tobytes(), raw=True)
    if external:
        weights.ClearField("raw_data")
        weights.data_location = TensorProto.EXTERNAL
        entry = weights.external_data.add()
        entry.key, entry.value = "location", "../../../../etc/passwd"
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return model.SerializeToString()


def zipped(entries: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return target.getvalue()


def joblib_file(compress: int) -> bytes:
    target = io.BytesIO()
    joblib.dump({"a": np.arange(9)}, target, compress=compress)
    return target.getvalue()


class Exploit:
    """A pickle that would leave a mark."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (open, (self.path, "w"))


def test_a_bare_onnx_file_becomes_a_whole_version(caller):
    version = caller.registered("linear", {"linear.onnx": onnx_model()}, card={"tags": ["x"]})
    manifest = version["manifest"]
    assert manifest["artifact_format"] == "onnx"
    assert [(spec["datatype"], spec["shape"]) for spec in manifest["signature"]["inputs"]] == [("FP32", [-1, 2])]
    assert manifest["card"]["tags"] == ["x"]
    assert {"golden.json", "manifest.json", "environment.lock"} < {file["path"] for file in version["files"]}
    again = caller.registered("linear", {"linear.onnx": onnx_model()}, card={"tags": ["x"]})
    assert again["number"] == 1


def test_measured_times_are_on_the_card_and_no_part_of_what_a_version_is(caller, local_registry):
    first = caller.registered("linear", {"linear.onnx": onnx_model()})
    compilation = first["manifest"]["card"]["compilation"]
    (original, optimised) = compilation["variants"]
    assert (compilation["served"], original["state"]) == ("original", "served")
    assert [timing["batch"] for timing in original["timings"]] == [1, 8, 64]
    assert (optimised["name"], optimised["state"]) == ("onnx-optimised", "skipped")

    content = next(file["digest"] for file in first["files"] if file["path"] == "compilation.json")
    report = caller.client.get(f"{MODELS}/linear/versions/1/files/compilation.json").json()
    report["variants"][0]["timings"][0]["microseconds"] += 1000
    files = {
        file["path"]: caller.client.get(f"{MODELS}/linear/versions/1/files/{file['path']}").content
        for file in first["files"]
    }
    slower = {**files, "compilation.json": json.dumps(report).encode()}
    again = caller.registered("linear", slower)
    assert (again["number"], again["digest"]) == (1, first["digest"])
    assert next(file["digest"] for file in again["files"] if file["path"] == "compilation.json") == content
    assert len([*local_registry.objects.list("models/")]) == len(files) + 1
    local_registry.registration.remove_leftovers()
    assert len([*local_registry.objects.list("models/")]) == len(files)


def test_a_report_that_serves_what_is_not_in_the_bundle_is_refused(caller):
    first = caller.registered("linear", {"linear.onnx": onnx_model()})
    files = {
        file["path"]: caller.client.get(f"{MODELS}/linear/versions/1/files/{file['path']}").content
        for file in first["files"]
    }
    for changes in ({"artifact": "other.onnx"}, {"artifact": "golden.json"}, {"artifact_format": "skops"}):
        report = json.loads(files["compilation.json"])
        report["variants"][0] |= changes
        answer = caller.register("other", {**files, "compilation.json": json.dumps(report).encode()})
        assert code(answer) in ((400, "bundle_invalid"), (400, "artifact_invalid")), changes


def test_a_version_is_compiled_to_a_target_and_stays_as_it_is(caller):
    first = caller.registered("linear", {"linear.onnx": onnx_model()})
    answer = caller.client.post(f"{MODELS}/linear/versions/1/builds", json={"target": "cuda"})
    assert answer.status_code == 200, answer.text
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert sorted(archive.namelist()) == ["build.json", "model.onnx"]
        build = json.loads(archive.read("build.json"))
    assert (build["target"], build["is_bundle"]) == ("cuda", False)
    assert caller.client.get(f"{MODELS}/linear/versions/1").json() == first
    refused = caller.client.post(f"{MODELS}/linear/versions/1/builds", json={"target": "c"})
    assert code(refused) == (400, "target_unfit")
    assert "cpu-int8" in caller.client.post(f"{MODELS}/linear/versions/1/builds", json={"target": "x"}).json()["hint"]
    assert code(caller.client.post(f"{MODELS}/nobody/versions/1/builds", json={"target": "c"}))[0] == 404


def test_a_bare_skops_file_is_converted_and_its_parity_is_told(caller):
    rows = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    model = LogisticRegression().fit(rows, rows[:, 0] > 0)
    target = io.BytesIO()
    skops.io.dump(model, target)
    version = caller.registered("classifier", {"model.skops": target.getvalue()})
    card = version["manifest"]["card"]
    assert (version["manifest"]["artifact_format"], card["parity"]["is_equal"]) == ("onnx", True)
    assert card["task"] == "tabular-classification"


def test_pickles_and_bombs_are_refused_before_anything_is_started(caller, tmp_path, local_registry, monkeypatch):
    monkeypatch.setattr(local_registry.inspector, "inspected", lambda *_: pytest.fail("a sandbox was started"))
    mark = tmp_path / "exploited"
    bomb = zipped({"schema.json": bytes(256 << 20)}, zipfile.ZIP_DEFLATED)
    corpus = {
        **{f"pickle {p}": (pickle.dumps(Exploit(mark), protocol=p), "pickle_refused") for p in (2, 3, 4, 5)},
        "old pickle": (pickle.dumps({"a": [1.5, "x"], "b": Exploit(mark)}, protocol=0), "pickle_refused"),
        "joblib": (joblib_file(0), "pickle_refused"),
        "compressed joblib": (joblib_file(3), "pickle_refused"),
        "zlib": (zlib.compress(pickle.dumps(1)), "pickle_refused"),
        "torch checkpoint": (zipped({"archive/data.pkl": pickle.dumps(Exploit(mark))}), "pickle_refused"),
        "zip bomb": (bomb, "artifact_archive_unsafe"),
        "zip that climbs": (zipped({"schema.json": b"{}", "../../evil": b"x"}), "artifact_archive_unsafe"),
        "zip with an absolute name": (zipped({"schema.json": b"{}", "/etc/evil": b"x"}), "artifact_archive_unsafe"),
        "zip of many files": (
            zipped({"schema.json": b"{}", **{str(i): b"" for i in range(20_001)}}),
            "artifact_archive_unsafe",
        ),
        "torn zip": (zipped({"schema.json": b"{}"})[:-20], "artifact_invalid"),
        "other zip": (zipped({"readme": b"x"}), "artifact_invalid"),
        "nothing": (b"", "artifact_invalid"),
        "text": (b"# weights\n1 2 3\n", "artifact_invalid"),
        "cut ONNX": (onnx_model()[:-10], "artifact_invalid"),
        "ONNX with a huge field": (b"\x08\x09\x3a" + b"\xff" * 8 + b"\x7f" + b"x" * 50, "artifact_invalid"),
        "ONNX with an endless number": (b"\x08" + b"\xff" * 100, "artifact_invalid"),
        "safetensors with a huge header": (struct.pack("<Q", 1 << 62) + b'{"a":1}', "artifact_invalid"),
        "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(100), "artifact_invalid"),
        "shell script": (b"#!/bin/sh\nrm -rf /\n", "artifact_invalid"),
    }
    for what, (content, expected) in corpus.items():
        answer = caller.register("bad", {"model": content})
        status = 413 if expected == "artifact_archive_unsafe" else 400
        assert code(answer) == (status, expected), (what, answer.text)
        assert answer.json()["hint"], what
    assert "skops" in caller.register("bad", {"model": pickle.dumps(1)}).json()["hint"]
    assert not mark.exists()
    assert code(caller.client.get(f"{MODELS}/bad")) == (404, "model_not_found")


@pytest.mark.slow
def test_artifacts_that_are_damaged_inside_are_refused_by_the_sandbox(caller, tmp_path):
    whole = onnx_model()
    rotten = bytearray(whole)
    start = whole.index(b"MatMul")
    rotten[start : start + 6] = b"\xff" * 6
    corpus = {
        "ONNX with rot": bytes(rotten),
        "ONNX with weights elsewhere": onnx_model(external=True),
        "skops with code": zipped(
            {
                "schema.json": json.dumps(
                    {"__class__": "system", "__module__": "os", "__loader__": "FunctionNode"}
                ).encode()
            }
        ),
        "torn LightGBM": b"tree\nversion=v4\nnum_class=1\nTree=0\nnum_leaves=9999999\n",
        "torn XGBoost": b'{"learner":{"attributes":{}},"version":[3,0,0]}',
    }
    for what, content in corpus.items():
        answer = caller.register("bad", {"model": content})
        assert answer.status_code == 400, (what, answer.text)
        assert answer.json()["code"] in ("artifact_invalid", "inspection_failed"), what
        assert answer.json()["hint"], (what, answer.text)
    assert code(caller.client.get(f"{MODELS}/bad")) == (404, "model_not_found")
    assert list((tmp_path / "registry" / "inspections").iterdir()) == []


def test_the_corpus_is_made_of_a_model_that_is_good():
    onnx.checker.check_model(onnx.load_from_string(onnx_model()))
