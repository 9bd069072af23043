"""What provokers play on: a real platform, a real gateway with a scripted model, folders; each made when first used."""

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any, Self

import httpx

from modelyard.dataplane.gateway.config import Limits
from modelyard.engines.local.engine import LocalEngine
from modelyard.settings import Home
from modelyard.storage.database import Database
from modelyard.testing.registry import LocalRegistry
from modelyard.testing.scripted_model import start_scripted
from modelyard.testing.serving import Serving, endpoint, token, variant
from modelyard.types.routing import RouteEndpoint

LIGHTGBM = b"tree\nversion=v4\nnum_class=1\n"
MANIFEST: Mapping[str, Any] = {
    "artifact": "model.txt",
    "artifact_format": "lightgbm",
    "signature": {
        "inputs": [{"name": "numeric", "datatype": "FP32", "shape": [-1, 2]}],
        "outputs": [{"name": "prediction", "datatype": "FP32", "shape": [-1]}],
    },
    "card": {"task": "tabular-regression"},
}
_START_SECONDS, _STOP_SECONDS = 90.0, 60.0
_LIMITS = Limits(
    max_request_bytes=1 << 20, max_buffered_bytes=1 << 19, header_seconds=1.0, receive_seconds=1.0, hold_seconds=0.2
)


class Stage:
    """Use as a context manager: leaving it ends every process."""

    def __init__(self, folder: Path) -> None:
        self.root = folder
        self._names = count(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if "gateway" in vars(self):
            self.gateway.close()
        if "http" in vars(self):
            self.http.close()
        if "platform" in vars(self):
            self.platform.terminate()
            try:
                self.platform.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.platform.kill()
                self.platform.wait()
        if "registry" in vars(self):
            self._database.close()

    def folder(self) -> Path:
        """A new, empty folder."""
        path = self.root / f"folder-{next(self._names)}"
        path.mkdir()
        return path

    def name(self) -> str:
        """A name that nobody has."""
        return f"digits-{next(self._names)}"

    # A platform, started as users start it

    @cached_property
    def platform(self) -> subprocess.Popen[bytes]:
        """Running and ready."""
        command = [sys.executable, "-m", "modelyard.server.up", "--home", str(self.home.root), "--port", "0"]
        log = self.root / "up.log"
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        deadline = time.monotonic() + _START_SECONDS
        while "is ready" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        return process

    @property
    def home(self) -> Home:
        """The platform's state directory."""
        return Home(self.root / "home")

    @property
    def url(self) -> str:
        """The platform's address."""
        assert self.platform.poll() is None
        return str(json.loads((self.home.run / "gateway.json").read_bytes())["url"])

    @property
    def token(self) -> str:
        """The administrator's."""
        assert self.platform.poll() is None
        return self.home.token.read_text().strip()

    @cached_property
    def http(self) -> httpx.Client:
        """A client of the platform without a token of its own."""
        return httpx.Client(base_url=self.url, timeout=60.0)

    def call(self, method: str, path: str, *, secret: str | None = None, **request: Any) -> httpx.Response:
        """A request to the platform; as the administrator unless another secret is given ("": none)."""
        headers = dict(request.pop("headers", {}))
        if secret != "":
            headers["Authorization"] = f"Bearer {secret or self.token}"
        return self.http.request(method, path, headers=headers, **request)

    def registry_call(self, method: str, path: str, **request: Any) -> httpx.Response:
        """A request to the project "default" of the platform's registry."""
        return self.call(method, f"/registry/v1/projects/default{path}", **request)

    def jobs_call(self, method: str, path: str, **request: Any) -> httpx.Response:
        """The same for jobs."""
        return self.call(method, f"/jobs/v1/projects/default{path}", **request)

    def operations_call(self, method: str, path: str, **request: Any) -> httpx.Response:
        """The same for operations."""
        return self.call(method, f"/operations/v1/projects/default{path}", **request)

    def upload(self, content: bytes, filename: str = "digits.csv") -> str:
        """The id of a finished upload."""
        made = self.registry_call("POST", "/uploads", json={"filename": filename}).raise_for_status().json()["id"]
        self.registry_call("PATCH", f"/uploads/{made}", content=content, headers={"Upload-Offset": "0"})
        return str(made)

    def dataset(self, content: bytes, filename: str = "digits.csv", **body: Any) -> httpx.Response:
        """The answer to a new version of a new dataset."""
        body["upload"] = self.upload(content, filename)
        return self.registry_call("POST", f"/datasets/{self.name()}/versions", json=body)

    def register(self, model: str, files: Mapping[str, bytes] | None = None, **body: Any) -> httpx.Response:
        """The answer to a new model version, by default a whole bundle that no runtime could load."""
        chosen = files or {"model.txt": LIGHTGBM, "manifest.json": json.dumps(MANIFEST).encode()}
        uploads = {path: self.upload(content, Path(path).name) for path, content in chosen.items()}
        return self.registry_call("POST", f"/models/{model}/versions", json={"files": uploads, **body})

    @cached_property
    def model(self) -> str:
        """A model with one version."""
        name = self.name()
        self.register(name).raise_for_status()
        return name

    def new_endpoint(self, **variant: Any) -> httpx.Response:
        """The answer to a new endpoint of `model`. Its replicas never get ready."""
        body = {"name": self.name(), "variants": [{"model": self.model, **variant}]}
        return self.operations_call("POST", "/endpoints", json=body)

    @cached_property
    def endpoint(self) -> str:
        """An endpoint that is not ready."""
        return str(self.new_endpoint().raise_for_status().json()["name"])

    # A gateway with a model that does what its input says

    @cached_property
    def gateway(self) -> Serving:
        """Serves endpoint "echo"."""
        serving = Serving(self.folder(), _LIMITS)
        serving.start_gateway()
        worker = start_scripted(serving, "echo-1")
        impure = start_scripted(serving, "impure-1", "--impure")
        self.routes: tuple[RouteEndpoint, ...] = (
            endpoint("echo", variant(worker)),
            endpoint("impure", variant(impure)),
            endpoint("empty", reason="its model is being loaded"),
            endpoint("asleep", is_stopped=True),
        )
        serving.publish(*self.routes, tokens=[token("limited", "my_limited", requests_per_second=0.01)])
        return serving

    # A registry in this process

    @cached_property
    def registry(self) -> LocalRegistry:
        """Every service of the registry."""
        folder = self.folder()
        self._database = Database(f"sqlite:///{folder}/registry.db")
        self._database.upgrade("common", "registry")
        return LocalRegistry(self._database, folder, self.engine)

    @cached_property
    def engine(self) -> LocalEngine:
        """A local engine."""
        home = Home(self.folder())
        home.create()
        return LocalEngine(home)
