"""Both ways to Operations keep the same contract."""

import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from modelyard.control.clients.http_operations import HttpOperationsClient
from modelyard.control.endpoints.api import router as endpoints_router
from modelyard.control.endpoints.assembly import assemble
from modelyard.control.endpoints.client import InProcessOperationsClient
from modelyard.control.events.api import router as events_router
from modelyard.control.events.repository import EventRepository
from modelyard.control.events.service import EventService
from modelyard.control.rest.application import create_application
from modelyard.control.rest.guard import Guard
from modelyard.engines.local.engine import LocalEngine
from modelyard.errors import NotFoundError, UnavailableError
from modelyard.kit.clock import SystemClock
from modelyard.settings import Home
from modelyard.storage.creations import Creations
from modelyard.testing.clients.operations import OperationsCase, OperationsClientConformance
from modelyard.types.access import Principal, Role
from modelyard.types.compute.scheduling import Quota
from modelyard.types.models import ArtifactFormat, Lineage, Manifest, ModelCard, ModelVersion
from modelyard.types.signatures import DataType, Signature, TensorSpec

SIGNATURE = Signature(inputs=(TensorSpec(name="x", datatype=DataType.FP32, shape=(-1, 2)),), outputs=())


class OneModel:
    """A registry with the model "digits"."""

    def quota(self, project: str) -> Quota:
        return Quota()

    def route_tokens(self) -> list[object]:
        return []

    def model_version(self, project: str, ref: str) -> ModelVersion:
        name, _, number = ref.partition(":")
        if name != "digits":
            raise NotFoundError(f"There is no model '{name}'", hint="Train it.")
        card = ModelCard(task="other")
        return ModelVersion(
            project=project,
            model=name,
            number=int(number),
            digest=hashlib.sha256(ref.encode()).hexdigest(),
            size_bytes=1,
            manifest=Manifest(artifact="m", artifact_format=ArtifactFormat.ONNX, signature=SIGNATURE, card=card),
            files=(),
            lineage=Lineage(),
            created_at=datetime(2026, 1, 1, tzinfo=UTC),
        )


class Everybody:
    """Knows one administrator."""

    def authenticate(self, secret: str) -> Principal:
        return Principal(id="token-1", name=secret, role=Role.ADMIN, project=None)


class Served:
    """The services of Operations that the contract is about, and an application over them."""

    def __init__(self, database, folder) -> None:
        home = Home(folder)
        home.create()
        clock, registry = SystemClock(), OneModel()
        self.events = EventService(database, EventRepository(), clock)
        self.endpoints, _ = assemble(
            database=database,
            registry=registry,
            engine=LocalEngine(home),
            events=self.events,
            tokens=registry.route_tokens,
            home=home,
            clock=clock,
            capture_share=1.0,
        )
        self.creations = Creations()

    def client(self) -> InProcessOperationsClient:
        return InProcessOperationsClient(self.endpoints, self.events, self.creations)

    def application(self, audit):
        guard = Guard(Everybody(), lambda _: True)
        routers = [endpoints_router(self.endpoints, guard), events_router(self.events, self.creations, guard)]
        return create_application(title="Operations", description="", routers=routers, audit=audit, version="0")


class Unheard:
    def record(self, entry) -> None:
        pass


@pytest.fixture
def served(database, tmp_path) -> Served:
    return Served(database, tmp_path / "home")


class TestInProcess(OperationsClientConformance):
    @pytest.fixture
    def case(self, served) -> OperationsCase:
        return OperationsCase(client=served.client(), model="digits")


class TestHttp(OperationsClientConformance):
    @pytest.fixture
    def case(self, served) -> Iterator[OperationsCase]:
        application = Starlette(routes=[Mount("/operations/v1", served.application(Unheard()))])
        server = uvicorn.Server(uvicorn.Config(application, log_level="error", lifespan="off"))
        with socket.create_server(("127.0.0.1", 0)) as listening:
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
            thread.start()
            while not server.started:
                time.sleep(0.01)
            client = HttpOperationsClient(f"http://127.0.0.1:{listening.getsockname()[1]}", "secret-token")
            yield OperationsCase(client=client, model="digits")
            client.close()
            server.should_exit = True
            thread.join()


def test_an_application_that_is_away_is_unavailable_and_not_a_defect():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    client = HttpOperationsClient(f"http://127.0.0.1:{port}", "secret-token")
    with pytest.raises(UnavailableError):
        client.newest_event("default")
    client.close()
