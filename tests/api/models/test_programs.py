"""Models that are programs: refused without a written permission, completed in a sandbox with it."""

import json
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from modelyard.control.environments.errors import EnvironmentBuildFailedError
from modelyard.control.models.errors import CodeNotPermittedError, InspectionFailedError
from modelyard.control.models.registration import Submission
from modelyard.engines.local.engine import LocalEngine
from modelyard.runtimes.base import ArtifactInvalidError
from modelyard.settings import Home
from modelyard.storage.database import Database
from modelyard.testing.registry import LocalRegistry
from modelyard.types.models import ArtifactFormat, ModelVersion

SCRIPT = """
def load(folder):
    open(folder + "/mark", "w").close()

def predict(inputs):
    return {"y": inputs["x"].sum(axis=1)}
"""
SIGNATURE = {
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 3]}],
    "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1]}],
    "is_pure": True,
}


@pytest.fixture
def registry(database: Database, tmp_path: Path) -> LocalRegistry:
    home = Home(tmp_path / "home")
    home.create()
    return LocalRegistry(database, home.run, LocalEngine(home))


def register(registry: LocalRegistry, folder: Path, **files: str) -> ModelVersion:
    folder.mkdir()
    for name, content in files.items():
        (folder / name.replace("_", ".")).write_text(content)
    given = {path.name: path for path in folder.iterdir()}
    return registry.registration.register("default", "program", given, Submission())


def permit(registry: LocalRegistry) -> None:
    registry.projects.permit_code("default", "tests")


def test_the_permission_is_an_administrators_written_and_audited(registry: LocalRegistry):
    headers = {"Authorization": f"Bearer {registry.secret()}"}
    path = "/projects/default/code-permission"
    with TestClient(registry.application(), headers=headers) as admin:
        assert admin.put(path, json={"reason": ""}).status_code == 400
        answer = admin.put(path, json={"reason": "We review it."})
        assert (answer.status_code, answer.json()["code_permission"]) == (200, "We review it.")
        assert admin.get("/projects/default").json()["code_permission"] == "We review it."
        assert admin.delete(path).status_code == 204
        assert admin.get("/projects/default").json()["code_permission"] == ""
        entries = [(entry["method"], entry["path"]) for entry in admin.get("/audit").json()["items"]]
        assert {("PUT", path), ("DELETE", path)} <= {(method, found[-len(path) :]) for method, found in entries}


def test_without_it_no_program_is_registered_neither_bare_nor_as_a_bundle(registry: LocalRegistry, tmp_path: Path):
    with pytest.raises(CodeNotPermittedError, match="does not permit code"):
        register(registry, tmp_path / "bare", model_py=SCRIPT, signature_json=json.dumps(SIGNATURE))
    manifest = {
        "artifact": "model.py",
        "artifact_format": "script",
        "signature": SIGNATURE,
        "card": {"task": "other"},
    }
    with pytest.raises(CodeNotPermittedError):
        register(registry, tmp_path / "bundle", model_py=SCRIPT, manifest_json=json.dumps(manifest))
    permit(registry)
    assert register(registry, tmp_path / "now", model_py=SCRIPT, manifest_json=json.dumps(manifest)).number == 1


def test_a_bare_script_becomes_a_bundle_with_golden_requests(registry: LocalRegistry, tmp_path: Path):
    permit(registry)
    version = register(registry, tmp_path / "bare", model_py=SCRIPT, signature_json=json.dumps(SIGNATURE))
    assert version.manifest.artifact_format is ArtifactFormat.SCRIPT
    assert version.manifest.is_pure
    assert {"golden.json", "environment.lock", "model.py", "signature.json"} <= {file.path for file in version.files}
    assert not list(tmp_path.rglob("mark")), "the script ran in its sandbox only"


@pytest.mark.parametrize(
    ("script", "signature", "words"),
    [
        (SCRIPT, None, "signature.json"),
        ("import no_such_package\n", SIGNATURE, "ModuleNotFoundError: No module named 'no_such_package'"),
        ("def load(folder): ...\n", SIGNATURE, "has no function 'predict'"),
        (SCRIPT.replace('"y"', '"z"'), SIGNATURE, "no output 'y'"),
        (
            "import random\n" + SCRIPT.replace("(axis=1)", "(axis=1) + random.random()"),
            SIGNATURE,
            "does not repeat its own",
        ),
        (
            "import os\n" + SCRIPT.replace("return", "print('I end', flush=True); os._exit(3)\n    return"),
            SIGNATURE,
            "I end",
        ),
    ],
)
def test_a_script_that_cannot_serve_is_refused_with_the_reason(
    registry: LocalRegistry, tmp_path: Path, script: str, signature: dict | None, words: str
):
    permit(registry)
    files = {"model_py": script} | ({"signature_json": json.dumps(signature)} if signature else {})
    with pytest.raises((ArtifactInvalidError, InspectionFailedError)) as refused:
        register(registry, tmp_path / "bare", **files)
    assert words in refused.value.message


PLURALS = """
import importlib.util
import numpy as np
import inflection

def load(folder):
    assert importlib.util.find_spec("modelyard") is None, "the platform's packages are not the model's"

def predict(inputs):
    words = [inflection.pluralize(str(word)) for word in inputs["word"]]
    return {"plural": np.array(words, dtype=object)}
"""


@pytest.mark.slow
def test_a_script_gets_the_packages_it_asks_for_locked_once_and_no_others(registry: LocalRegistry, tmp_path: Path):
    permit(registry)
    text = {"datatype": "BYTES", "shape": [-1]}
    signature = {"inputs": [{"name": "word", **text}], "outputs": [{"name": "plural", **text}]}
    files = {"model_py": PLURALS, "signature_json": json.dumps(signature), "requirements_txt": "inflection\nnumpy>=2\n"}
    version = register(registry, tmp_path / "bare", **files)
    assert not version.manifest.is_pure
    lock = b"".join(registry.models.file("default", "program", "1", "environment.lock")[1]).decode()
    assert "inflection==" in lock
    assert "--hash=sha256:" in lock
    python = registry.environments.ensure(lock)
    assert len(list(python.parent.parent.parent.glob("[0-9a-f]*"))) == 1, "built once"
    with pytest.raises(EnvironmentBuildFailedError, match="installing the packages failed"):
        registry.environments.ensure("inflection==0.5.1 --hash=sha256:" + "0" * 64)


SERVER = """
import json, os, urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer({})

    def do_POST(self):
        rows = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["instances"]
        self.answer({"predictions": [sum(row) for row in rows]})

    def answer(self, content):
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


def test_a_model_server_answers_inside_the_sandbox_which_has_no_network(registry: LocalRegistry, tmp_path: Path):
    permit(registry)
    server = json.dumps({"command": ["python", "serve.py"]})
    files = {"serve_py": SERVER, "server_json": server, "signature_json": json.dumps(SIGNATURE)}
    version = register(registry, tmp_path / "bare", **files)
    assert version.manifest.artifact_format is ArtifactFormat.HTTP
