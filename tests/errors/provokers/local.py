"""Errors of one process on one machine: locks, objects, the engine, the server's programs."""

import socket
import sys
from pathlib import Path
from unittest import mock

import docker
from stage import Stage

from modelyard.control.clients.http import HttpApplication
from modelyard.control.datasets.contents import DatasetContents
from modelyard.control.queries.program import EXIT_UNAVAILABLE
from modelyard.control.queries.service import check_answer
from modelyard.control.references.fetching import Fetcher
from modelyard.control.telemetry.exporting import OtlpExport
from modelyard.engines.base import check_fence
from modelyard.engines.containers import images, pulling
from modelyard.engines.containers.engine import ContainerEngine
from modelyard.engines.containers.registries import Registries
from modelyard.engines.local.engine import LocalEngine
from modelyard.kit.files import inside
from modelyard.quickstart.platform import start_platform
from modelyard.server import up
from modelyard.server.arguments import read_settings
from modelyard.server.serve import serve
from modelyard.server.state.lock import PlatformLock
from modelyard.server.up import Supervisor, check_listen, check_port
from modelyard.settings import Home, Settings
from modelyard.storage.objects import content_key, open_objects
from modelyard.testing.serving import Serving
from modelyard.types.processes import ProcessSpec, SandboxLevel
from provokers.registration import provokes

SCORER = "registry.example.com/scorer:3"


@provokes("sandbox_too_weak")
def sandbox_too_weak(stage: Stage) -> None:
    check_fence(LocalEngine(Home(stage.folder()), level=SandboxLevel.RLIMITS))


@provokes("resource_busy")
def resource_busy(stage: Stage) -> None:
    home = Home(stage.folder())
    home.create()
    message = "Modelyard already runs in this state directory"
    with PlatformLock(home, message), PlatformLock(home, message):
        pass


@provokes("queries_unavailable")
def queries_unavailable(_stage: Stage) -> None:
    check_answer(EXIT_UNAVAILABLE, "")


@provokes("reference_too_large")
def reference_too_large(stage: Stage) -> None:
    fetcher = Fetcher(["data.example.com"], 1000)
    fetcher._write([b"x" * 2000], stage.folder() / "data", float("inf"))


@provokes("reference_unreachable")
def reference_unreachable(stage: Stage) -> None:
    with mock.patch("socket.getaddrinfo", side_effect=OSError("Name or service not known")):
        Fetcher(["data.example.com"], 1000).fetch("https://data.example.com/x.csv", stage.folder() / "data")


@provokes("otlp_unavailable")
def otlp_unavailable(_stage: Stage) -> None:
    with mock.patch.dict(sys.modules, {"opentelemetry.sdk._logs": None}):
        OtlpExport("http://127.0.0.1:4318", {}, 1.0, [])


@provokes("path_escapes")
def path_escapes(stage: Stage) -> None:
    inside(stage.folder(), "../../etc/passwd")


@provokes("object_not_found")
def object_not_found(_stage: Stage) -> None:
    open_objects("memory://").read("models/nowhere")


@provokes("object_key_invalid")
def object_key_invalid(_stage: Stage) -> None:
    open_objects("memory://").read("../etc/passwd")


@provokes("process_not_found")
def process_not_found(stage: Stage) -> None:
    stage.engine.state("job-1")


@provokes("process_id_invalid")
def process_id_invalid(stage: Stage) -> None:
    stage.engine.state("../job-1")


@provokes("supervisor_failed")
def supervisor_failed(stage: Stage) -> None:
    with mock.patch.object(sys, "executable", "/bin/false"):
        stage.engine.submit("job-1", ProcessSpec(command=("/bin/true",), work_directory=str(stage.folder())))


@provokes("containers_unavailable")
def containers_unavailable(stage: Stage) -> None:
    ContainerEngine(Home(stage.folder()), socket="unix:///run/nobody.sock").resolve_image("scorer:3")


@provokes("image_not_found")
def image_not_found(_stage: Stage) -> None:
    client = mock.Mock(**{"images.get.side_effect": docker.errors.ImageNotFound("no such image")})
    images.resolve(client, SCORER, architecture="amd64", pull=None)


@provokes("image_architecture")
def image_architecture(_stage: Stage) -> None:
    client = mock.Mock(**{"images.get.return_value": mock.Mock(attrs={"Architecture": "s390x"})})
    images.resolve(client, SCORER, architecture="amd64", pull=None)


@provokes("image_pull_failed")
def image_pull_failed(_stage: Stage) -> None:
    raise pulling.refusal(SCORER, "dial tcp: lookup registry.example.com: no such host", is_known=False)


@provokes("registry_refused")
def registry_refused(_stage: Stage) -> None:
    raise pulling.refusal(SCORER, "unauthorized: authentication required", is_known=False)


@provokes("registry_credentials_damaged")
def registry_credentials_damaged(stage: Stage) -> None:
    path = stage.folder() / "registries.json"
    path.write_text("user:password")
    Registries(path).users()


@provokes("internal")
def internal(stage: Stage) -> None:
    contents = DatasetContents(mock.Mock(), mock.Mock(), open_objects("memory://"))
    version = mock.Mock(dataset="digits", number=1, digest="5" * 64)
    contents._objects.put_stream(f"datasets/{content_key(version.digest)}", iter([b"other content"]))
    contents.download(version, stage.folder() / "digits.csv")


@provokes("unavailable")
def unavailable(_stage: Stage) -> None:
    HttpApplication("http://127.0.0.1:1", "").call("GET", "/registry/v1/projects", dict)


@provokes("listen_refused")
def listen_refused(stage: Stage) -> None:
    check_listen(Settings(home=stage.folder(), host="0.0.0.0"))


@provokes("peer_missing")
def peer_missing(stage: Stage) -> None:
    serve("jobs", Settings(home=stage.folder()))


@provokes("state_directory_unusable")
def state_directory_unusable(_stage: Stage) -> None:
    Home(Path("/proc/modelyard")).create()


@provokes("settings_invalid")
def settings_invalid(stage: Stage) -> None:
    read_settings({"home": stage.folder(), "port": 99999})


@provokes("port_taken")
def port_taken(_stage: Stage) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        check_port("127.0.0.1", other.getsockname()[1])


@provokes("start_failed")
def start_failed(stage: Stage) -> None:
    supervisor = Supervisor(Settings(home=stage.folder(), port=0), ("registry",))
    with mock.patch.object(up, "START_SECONDS", 0.0), mock.patch.object(up.signal, "signal"):
        supervisor.run()


@provokes("quickstart_failed")
def quickstart_failed(stage: Stage) -> None:
    folder = stage.folder()
    (folder / "thesis.tex").touch()
    start_platform(folder)


@provokes("serving_failed")
def serving_failed(stage: Stage) -> None:
    with Serving(stage.folder()) as serving:
        serving.start_worker("echo-1", command=["-c", "raise SystemExit('no model')"])
