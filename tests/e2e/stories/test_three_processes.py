"""The quickstart's own story over three processes with three PostgreSQL databases, which know each other by HTTP only.

On SQLite the same story is told by test_quickstart.py.
"""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from modelyard.quickstart.story import Story
from modelyard.sdk.client import Client
from modelyard.testing.programs import Program, until
from modelyard.types.compute.costs import Prices

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # a minute; the rest is for a busy machine


class Parts:
    """Registry, Jobs, and Operations with its gateway."""

    def __init__(self, folder: Path, new_program: Callable[..., Program], databases: dict[str, str]) -> None:
        self._databases = databases
        self._new_program = new_program
        self._folder = folder
        self.registry = self._program("registry")
        self.registry_url = self.registry.start("--port", "0").ready()
        self.token = self.registry.token
        self.jobs = self._program("jobs", "--registry", self.registry_url)
        self.jobs_url = self.jobs.start("--port", "0").ready()
        peers = ("--registry", self.registry_url, "--jobs", self.jobs_url)
        self.operations = self._program("operations", *peers)
        self.url = self.operations.start("--port", "0").ready()

    def client(self) -> Client:
        return Client(self.url, self.token, registry_url=self.registry_url, jobs_url=self.jobs_url)

    def kill_registry(self) -> None:
        """As if the power had gone: the program, and what it supervises."""
        self.registry.process.kill()
        self.registry.process.wait()
        self.registry.end()

    def start_registry(self) -> None:
        """At the same address."""
        port = self.registry_url.rsplit(":", 1)[1]
        assert self.registry.start("--port", port).ready() == self.registry_url

    def refusal_of_a_wrong_token(self) -> str:
        """What `serve jobs` says when the registry does not know its token."""
        command = ("modelyard.server.serve", "jobs", "--registry", self.registry_url)
        environment = {"MODELYARD_SERVICE_TOKEN": "my_token_that_nobody_remembers"}
        program = self._new_program(self._folder / "refused", *command, environment=environment).start("--port", "0")
        assert program.process.wait(120) == 2
        return program.output()

    def _program(self, application: str, *options: str) -> Program:
        environment = {"MODELYARD_SERVICE_TOKEN": self.token} if application != "registry" else {}
        return self._new_program(
            self._folder / application,
            "modelyard.server.serve",
            application,
            *options,
            *("--database", self._databases[application]),
            environment=environment,
        )


def prices_are_everywhere(parts: Parts) -> bool:
    """Whether new prices reach all three applications, each of which has a list of its own; twice is once."""
    with parts.client() as client:
        for _ in range(2):
            client.costs.set_prices(Prices(cpu_hour=0.25, traffic_gib=0.5))
    urls = {"registry": parts.registry_url, "jobs": parts.jobs_url, "operations": parts.url}
    headers = {"Authorization": f"Bearer {parts.token}"}
    lists = [
        httpx.get(f"{url}/{name}/v1/prices", headers=headers).raise_for_status().json()["items"]
        for name, url in urls.items()
    ]
    return [[each["prices"]["cpu_hour"] for each in found] for found in lists] == [[0.25, Prices().cpu_hour]] * 3


class Outage:
    """Takes the registry away in the middle of the training job, and brings it back when the job wants to register."""

    def __init__(self, parts: Callable[[], Parts]) -> None:
        self._parts = parts
        self.is_over = False
        self.answers: list[httpx.Response] = []

    def progress(self, _share: float, line: str) -> None:
        """Called by the story with each look at the training job."""
        if self.is_over or not line.startswith("epoch"):
            return
        self.is_over = True
        parts = self._parts()
        parts.kill_registry()
        headers = {"Authorization": "Bearer my_token_that_nobody_remembers"}
        for url in (f"{parts.jobs_url}/jobs/v1/algorithms", f"{parts.url}/operations/v1/projects/default/endpoints"):
            self.answers.append(httpx.get(url, headers=headers, timeout=30))
        results = (parts.jobs.home / "run" / "jobs").glob
        until(lambda: any(results("*/result.json")), "the training process to end without a registry", 120)
        parts.start_registry()


def test_the_story_holds_over_three_processes_and_outlives_a_killed_registry(
    tmp_path: Path, programs: Callable[..., Program], postgres_url: Callable[[], str]
) -> None:
    databases = {name: postgres_url() for name in ("registry", "jobs", "operations")}
    parts: list[Parts] = []
    outage = Outage(lambda: parts[0])

    def connect() -> Client:
        parts.append(Parts(tmp_path, programs, databases))
        return parts[0].client()

    told: list[str] = []
    story = Story(connect, told.append, outage.progress)
    try:
        for _purpose, step in story.steps():
            step()
    finally:
        story.close()

    assert outage.is_over
    assert [answer.status_code for answer in outage.answers] == [503, 503]
    for answer in outage.answers:
        body = answer.json()
        assert parts[0].registry_url in body["message"]
        assert "running" in body["hint"]
        assert int(answer.headers["Retry-After"]) >= 1
    requests, failures, _seconds = story.traffic()
    assert (requests > 100, failures) == (True, 0)
    assert prices_are_everywhere(parts[0])
    assert [*tmp_path.rglob("*.db")] == [], "everything is in the databases that were given"
    assert "The registry refuses the service token" in parts[0].refusal_of_a_wrong_token()
    assert [parts[0].operations.stop(), parts[0].jobs.stop(), parts[0].registry.stop()] == [0, 0, 0]
