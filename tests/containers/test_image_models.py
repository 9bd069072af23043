"""Models that are images: registered, deployed and called through `modelyard up`, started as a user starts it."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import numpy as np
import pytest

from modelyard.engines.containers.sockets import open_client
from modelyard.errors import ModelyardError
from modelyard.sdk.client import Client
from modelyard.testing.programs import Program, until
from modelyard.testing.services.containers import Podman, python_root
from modelyard.types.endpoints import ReplicaStatus
from modelyard.types.models import ArtifactFormat

pytestmark = pytest.mark.slow
READY = ReplicaStatus.READY
PAGE = Path(__file__).parents[2] / "docs/how-to/serve-images.md"
IMAGE = "registry.example.com/scorer:3"
DIES, HANGS = 101, 102
SERVER = f"""
import json, os, sys, time
from http.server import BaseHTTPRequestHandler, HTTPServer

weights = json.load(open("/opt/ml/model/weights.json"))

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(200 if self.path == "/ping" else 404, {{}})

    def do_POST(self):
        rows = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["instances"]
        if rows[0][0] == {DIES}:
            print("the model gives up", flush=True)
            os._exit(7)
        if rows[0][0] == {HANGS}:
            time.sleep(600)
        self.answer(200, {{"predictions": [sum(w * x for w, x in zip(weights, row)) for row in rows]}})

    def answer(self, status, content):
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

if sys.argv[1:] != ["serve"]:
    sys.exit("the image was not told to serve")
HTTPServer(("127.0.0.1", 8080), Handler).serve_forever()
"""


@pytest.fixture(scope="module")
def image(podman: Podman) -> str:
    """The image of the how-to page, which is on no registry."""
    podman.load(IMAGE, python_root({"serve.py": SERVER}), 'ENTRYPOINT ["/usr/bin/python3", "/serve.py"]')
    return IMAGE


@pytest.fixture(scope="module")
def program(podman: Podman, image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    home = tmp_path_factory.mktemp("images") / "home"
    environment = {"MODELYARD_CONTAINER_SOCKET": podman.socket, "MODELYARD_CONTAINER_PULL": "false"}
    program = Program(home, "modelyard.server.up", environment=environment)
    try:
        program.start("--port", "0")
        yield program
    finally:
        program.end()


@pytest.fixture(scope="module")
def client(program: Program, image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Of a platform on which the commands of the how-to page were run."""
    url, place = program.ready(), tmp_path_factory.mktemp("how-to")
    (place / "scorer").mkdir()
    folder(place / "scorer", **json.loads(blocks("json")[0]))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    variables = {**os.environ, "PATH": path, "MODELYARD_URL": url, "MODELYARD_TOKEN": program.token}
    done = subprocess.run(["sh", "-ec", blocks("sh")[0]], cwd=place, env=variables, capture_output=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
    with Client(url, program.token) as client:
        yield client


def blocks(language: str) -> list[str]:
    """The page's code in one language."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)


def folder(path: Path, **fields: object) -> Path:
    (path / "image.json").write_text(json.dumps(fields))
    (path / "signature.json").write_text(blocks("json")[1])
    (path / "weights.json").write_text("[1, 10, 100]")
    return path


def containers(podman: Podman) -> list[str]:
    with closing(open_client(podman.socket)) as docker:
        return [str(container.name) for container in docker.containers.list(all=True, ignore_removed=True)]


def ask(client: Client, row: list[float]) -> list[float]:
    return [prediction.value for prediction in client.predict("scorer", np.array([row], np.float32))]


def is_told(client: Client, words: tuple[str, ...]) -> bool:
    return any(all(word in event.message for word in words) for event in client.events.list())


def test_the_version_carries_the_digest_of_its_image(client: Client, podman: Podman, image: str):
    version = client.models.get("scorer")
    assert version.manifest.artifact_format is ArtifactFormat.IMAGE
    identity = podman.command("image", "inspect", "--format", "{{index .RepoDigests 0}}", image)
    assert "@sha256:" in identity
    assert version.manifest.card.custom == {"image": image, "image_digest": identity}


def test_every_dialect_reaches_the_model_in_its_container(client: Client, program: Program):
    assert ask(client, [1, 2, 3]) == [321]
    with httpx.Client(base_url=program.ready(), headers={"Authorization": f"Bearer {program.token}"}) as http:
        sent = {"instances": [[1, 0, 0], [0, 0, 2]]}
        assert http.post("/endpoints/scorer/invocations", json=sent).json()["predictions"] == [{"y": 1}, {"y": 200}]
        assert http.post("/v1/models/scorer:predict", json=sent).json()["predictions"] == [1, 200]
        csv = http.post(
            "/endpoints/scorer/invocations",
            content="1,1,1\n",
            headers={"Content-Type": "text/csv", "Accept": "text/csv"},
        )
        assert float(csv.text) == 111
        tensor = {"name": "x", "shape": [1, 3], "datatype": "FP32", "data": [0, 1, 0]}
        answer = http.post("/v2/models/scorer/infer", json={"inputs": [tensor]}).json()
        assert answer["outputs"][0]["data"] == [10]


def test_a_model_that_ends_or_hangs_is_named_and_replaced(client: Client):
    for row, words in ((DIES, ("exit code 7", "the model gives up")), (HANGS, ("hung",))):
        with pytest.raises(ModelyardError):
            ask(client, [row, 0, 0])
        until(lambda words=words: is_told(client, words), f"an event says {words}")
        until(
            lambda: READY in [replica.status for replica in client.endpoints.get("scorer").replicas], "it is replaced"
        )
        assert ask(client, [1, 1, 1]) == [111]


def test_an_image_that_does_not_get_ready_is_refused_with_the_reason(client: Client, image: str, tmp_path: Path):
    for name, fields, words in (
        ("idle", {"image": image}, "not told to serve"),
        ("slow", {"image": image, "command": ["serve"], "port": 8081, "start_seconds": 1}, "not ready after 1 s"),
        ("absent", {"image": "localhost/test/absent:1"}, "is not on this machine"),
        ("empty", {"image": " "}, "names no image"),
    ):
        (tmp_path / name).mkdir()
        with pytest.raises(ModelyardError, match=words):
            client.models.register(name, folder(tmp_path / name, **fields))


def test_a_platform_that_stops_leaves_no_container(client: Client, program: Program, podman: Podman):
    until(lambda: len(containers(podman)) == 2, "worker and model run")
    assert program.stop() == 0
    assert containers(podman) == []
