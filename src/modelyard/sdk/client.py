"""The two clients: the same nouns and verbs, blocking and asynchronous."""

import ssl
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from modelyard.sdk.calls import Async, Driver, Mode, Sync
from modelyard.sdk.connection import Connection, find_connection
from modelyard.sdk.drivers import AsyncDriver, SyncDriver
from modelyard.sdk.inference import Inference
from modelyard.sdk.resources.access import Audit, Projects, Tokens
from modelyard.sdk.resources.alerts import Alerts
from modelyard.sdk.resources.aws.access_keys import AccessKeys
from modelyard.sdk.resources.captures import Captures
from modelyard.sdk.resources.compute.costs import Costs
from modelyard.sdk.resources.compute.nodes import Nodes
from modelyard.sdk.resources.compute.queues import Queues, Reservations
from modelyard.sdk.resources.compute.tuning import Tuning
from modelyard.sdk.resources.datasets import Datasets
from modelyard.sdk.resources.endpoints import Endpoints
from modelyard.sdk.resources.evaluation import Evaluations
from modelyard.sdk.resources.experiments import Experiments
from modelyard.sdk.resources.jobs import Algorithms, Environments, Jobs
from modelyard.sdk.resources.models import Models
from modelyard.sdk.resources.monitoring import Detectors, Events, Monitors
from modelyard.sdk.resources.retraining import Retraining
from modelyard.sdk.resources.uploads import Uploads


class _Nouns(Inference[Mode]):
    """Everything that a client gives access to, in one project."""

    def __init__(self, driver: Driver, connection: Connection, project: str) -> None:
        super().__init__(driver, project)
        self.url = connection.url
        self.project = project
        self.datasets: Datasets[Mode] = Datasets(driver, project)
        self.uploads: Uploads[Mode] = Uploads(driver, project)
        self.algorithms: Algorithms[Mode] = Algorithms(driver, project)
        self.jobs: Jobs[Mode] = Jobs(driver, project)
        self.experiments: Experiments[Mode] = Experiments(driver, project, connection)
        self.costs: Costs[Mode] = Costs(driver, project)
        self.tuning: Tuning[Mode] = Tuning(driver, project)
        self.environments: Environments[Mode] = Environments(driver, project)
        self.queues: Queues[Mode] = Queues(driver, project)
        self.nodes: Nodes[Mode] = Nodes(driver, project)
        self.reservations: Reservations[Mode] = Reservations(driver, project)
        self.models: Models[Mode] = Models(driver, project)
        self.endpoints: Endpoints[Mode] = Endpoints(driver, project)
        self.captures: Captures[Mode] = Captures(driver, project)
        self.evaluations: Evaluations[Mode] = Evaluations(driver, project)
        self.monitors: Monitors[Mode] = Monitors(driver, project)
        self.detectors: Detectors[Mode] = Detectors(driver, project)
        self.alerts: Alerts[Mode] = Alerts(driver, project)
        self.retraining: Retraining[Mode] = Retraining(driver, project)
        self.events: Events[Mode] = Events(driver, project)
        self.projects: Projects[Mode] = Projects(driver, project)
        self.tokens: Tokens[Mode] = Tokens(driver, project)
        self.access_keys: AccessKeys[Mode] = AccessKeys(driver, project)
        self.audit: Audit[Mode] = Audit(driver, project)


class Client(_Nouns[Sync]):
    """A platform, as seen by a program that waits for each answer. May be used from several threads.

    Example:
        >>> with Client() as client:
        ...     client.endpoints.deploy("digits", "digits@champion")
        ...     print(client.predict("digits", image).labels)

    Args:
        url: address of the platform; MODELYARD_URL, or the platform on this machine, if left out.
        token: MODELYARD_TOKEN, or the admin token of the platform on this machine, if left out.
        project: that all calls are about.
        home: state directory of the platform on this machine, if it is not the usual one.
        registry_url: address of the Registry where it runs alone; MODELYARD_REGISTRY_URL, or `url`, if left out.
        jobs_url: the same of Jobs; MODELYARD_JOBS_URL.
        operations_url: the same of Operations, if its gateway is not the one at `url`; MODELYARD_OPERATIONS_URL.
        verify: False takes any TLS certificate; an SSLContext says which ones.
        transport: for tests: answers the requests instead of the network.

    Raises:
        NotConfiguredError: no address is known.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        project: str = "default",
        *,
        home: str | Path | None = None,
        registry_url: str | None = None,
        jobs_url: str | None = None,
        operations_url: str | None = None,
        verify: ssl.SSLContext | bool = True,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        alone = {"registry": registry_url, "jobs": jobs_url, "operations": operations_url}
        found = find_connection(url, token, Path(home).expanduser() if home else None, alone)
        self._sync_driver = SyncDriver(found, verify, transport)
        super().__init__(self._sync_driver, found, project)

    def close(self) -> None:
        """Close the connections."""
        self._sync_driver.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncClient(_Nouns[Async]):
    """A platform, as seen by a program on an event loop: every call is awaited, every list is an `async for`.

    Arguments and errors are those of `Client`.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        project: str = "default",
        *,
        home: str | Path | None = None,
        registry_url: str | None = None,
        jobs_url: str | None = None,
        operations_url: str | None = None,
        verify: ssl.SSLContext | bool = True,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        alone = {"registry": registry_url, "jobs": jobs_url, "operations": operations_url}
        found = find_connection(url, token, Path(home).expanduser() if home else None, alone)
        self._async_driver = AsyncDriver(found, verify, transport)
        super().__init__(self._async_driver, found, project)

    async def close(self) -> None:
        """Close the connections."""
        await self._async_driver.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
