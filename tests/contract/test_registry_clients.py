"""Both ways to a registry keep the same contract."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from modelyard.control.clients.http_registry import HttpRegistryClient
from modelyard.control.tables import load_tables
from modelyard.engines.local.engine import LocalEngine
from modelyard.errors import UnavailableError
from modelyard.settings import Home
from modelyard.storage.database import Database
from modelyard.storage.metadata import BRANCHES
from modelyard.testing.registry import LocalRegistry
from modelyard.testing.registry_client import RegistryCase, RegistryClientConformance
from modelyard.types.access import Role


@pytest.fixture
def registry(database, tmp_path) -> LocalRegistry:
    home = Home(tmp_path / "home")
    home.create()
    return LocalRegistry(database, tmp_path / "registry", LocalEngine(home))


def a_secret(registry: LocalRegistry) -> str:
    return registry.access.create("someone", Role.DEVELOPER, "default", None)[1]


class TestInProcess(RegistryClientConformance):
    @pytest.fixture
    def case(self, registry):
        return RegistryCase(client=registry.client(), secret=a_secret(registry))


class TestInProcessOnPostgresql(RegistryClientConformance):
    @pytest.fixture
    def case(self, postgres_url, tmp_path) -> Iterator[RegistryCase]:
        database = Database(postgres_url())
        load_tables()
        for branch in ("common", "registry"):
            BRANCHES[branch].create_all(database.engine)
        home = Home(tmp_path / "home")
        home.create()
        registry = LocalRegistry(database, tmp_path / "registry", LocalEngine(home))
        yield RegistryCase(client=registry.client(), secret=a_secret(registry))
        database.close()


class TestHttp(RegistryClientConformance):
    @pytest.fixture
    def case(self, registry) -> Iterator[RegistryCase]:
        application = Starlette(routes=[Mount("/registry/v1", registry.application())])
        server = uvicorn.Server(uvicorn.Config(application, log_level="error", lifespan="off"))
        with socket.create_server(("127.0.0.1", 0)) as listening:
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
            thread.start()
            while not server.started:
                time.sleep(0.01)
            client = HttpRegistryClient(f"http://127.0.0.1:{listening.getsockname()[1]}", registry.secret())
            yield RegistryCase(client=client, secret=a_secret(registry))
            client.close()
            server.should_exit = True
            thread.join()


def test_a_registry_that_is_away_is_unavailable_and_not_a_defect():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    client = HttpRegistryClient(f"http://127.0.0.1:{port}", "secret-token")
    with pytest.raises(UnavailableError) as caught:
        client.model_version("default", "digits")
    assert "secret-token" not in caught.value.message
    client.close()
