"""What a measured server has in common: how to start it, ask it, load it, and give it a new model version."""

import shutil
import signal
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from benchmarks.serving import models
from benchmarks.serving.dialects import Dialect, Instances
from benchmarks.serving.environments import Environment
from benchmarks.serving.load import Request
from benchmarks.serving.places import APPS, RUNS
from benchmarks.serving.processes import Tree
from benchmarks.serving.works import MIX, Artifact

JSON = "application/json"
DIFFERENT_BODIES = 64
_START_SECONDS = 240.0  # a busy machine takes its time
_POLL_SECONDS = 0.02


class PeerFailedError(Exception):
    """The server did not start, or answered something wrong; the message says which."""


class Peer:
    """One server with one model. A fresh one is made for every repetition.

    Subclasses say what is theirs; everything else is the same for all.

    Attributes:
        name: in options and reports.
        about: how it is set up, for the report.
        environment: where it is installed; None: it needs none of its own.
        artifacts: files that it can serve.
        group: "peer", "modelyard" or "limit".
        ports: how many it needs, counted from `port`.
    """

    name: ClassVar[str]
    about: ClassVar[str]
    environment: ClassVar[Environment | None] = None
    artifacts: ClassVar[tuple[Artifact, ...]] = (Artifact.ESTIMATOR, Artifact.ONNX)
    group: ClassVar[str] = "peer"
    path: ClassVar[str] = "/predict"
    dialect: Dialect = Instances()
    stop_signal: ClassVar[int] = signal.SIGTERM

    def __init__(self, model: str, artifact: Artifact, port: int) -> None:
        self.model = model
        self.artifact = artifact
        self.port = port
        self.sample = models.sample(model)
        self.folder = RUNS / f"{self.name}-{port}"
        self.tree = Tree()
        self._started = 0.0

    @classmethod
    def takes(cls, model: str, artifact: Artifact) -> bool:
        """True if it can serve a model from such a file."""
        return artifact in cls.artifacts and model != MIX

    # What a server says of itself

    def commands(self) -> list[list[str]]:
        """The commands that make it up."""
        raise NotImplementedError

    def variables(self) -> Mapping[str, str]:
        """Environment variables for them."""
        return {}

    def prepare(self) -> None:
        """Write what they read."""

    def deploy(self, version: int) -> bool:
        """Bring another version into the running server; False if it has no way to."""
        del version
        return False

    # What is the same for all

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def headers(self) -> Mapping[str, str]:
        """Of every request."""
        return {"Content-Type": JSON}

    def model_file(self, version: int = 1) -> Path:
        """The file to load."""
        return models.artifact(self.model, version, "onnx" if self.artifact is Artifact.ONNX else "joblib")

    def start(self) -> None:
        """Start it; `wait` says when it is there."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.prepare()
        environment = {"MODEL_FILE": str(self.model_file()), "MODEL_SHAPE": ",".join(map(str, self.sample.shape))}
        if self.environment is not None:
            environment["PYTHONPATH"] = str(APPS)
        self._started = time.monotonic()
        for command in self.commands():
            self.tree.start(command, self.folder, {**environment, **self.variables()})

    def wait(self) -> float:
        """Seconds from the start to the first right answer.

        Raises:
            PeerFailedError: none came.
        """
        want = self.answers(0, 3)
        while True:
            try:
                got = self.ask(0, 3)
            except (OSError, ValueError, LookupError, TypeError) as error:
                problem = f"{type(error).__name__}: {error}"
            else:
                if got == want:
                    return time.monotonic() - self._started
                problem = f"it answered {got}, {want} is right"
            self.tree.pids()
            if self.tree.has_ended or time.monotonic() - self._started > _START_SECONDS:
                raise PeerFailedError(f"{problem}; its output ends: {self.output()[-600:]}")
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """End all its processes."""
        self.tree.stop(self.stop_signal)

    def ask(self, start: int, count: int) -> list[int]:
        """The labels that it gives to rows."""
        return self.dialect.decode(self.post(self.path, self.body(start, count)))

    def answers(self, start: int, count: int, version: int = 1) -> list[int]:
        """What `ask` must give."""
        return self.sample.answers(start, count, version)

    def post(self, path: str, body: bytes, *, method: str = "POST", port: int | None = None) -> bytes:
        """The answer to a request."""
        url = f"http://127.0.0.1:{port or self.port}{path}"
        request = urllib.request.Request(url, data=body, method=method, headers=dict(self.headers) if body else {})
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.read()

    def body(self, start: int, count: int) -> bytes:
        """The request for rows."""
        return self.dialect.encode(self.sample.take(start, count), self.sample.shape)

    def requests(self, rows: int) -> Iterator[Request]:
        """Different requests of `rows` rows, to be sent in turn."""
        for index in range(DIFFERENT_BODIES):
            yield Request(self.path, self.headers, self.body(index * 3, rows))

    def check(self, rows: int) -> int:
        """Ask each of `requests(rows)` once; how many answers were right.

        Raises:
            PeerFailedError: one was not.
        """
        for index in range(DIFFERENT_BODIES):
            got, want = self.ask(index * 3, rows), self.answers(index * 3, rows)
            if got != want:
                raise PeerFailedError(f"rows {index * 3} and {rows} more: it answered {got}, {want} is right")
        return DIFFERENT_BODIES

    def serving_pids(self) -> list[int]:
        """The processes that answer requests."""
        return self.tree.pids()

    def roles(self) -> Mapping[str, list[int]]:
        """The processes that answer requests, by what they are, for the table of memory."""
        return {"all": self.serving_pids()}

    def output(self) -> str:
        """What it has printed."""
        log = self.folder / "server.log"
        return log.read_text(errors="replace") if log.exists() else ""
