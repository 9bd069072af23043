"""The whole product on PostgreSQL and S3, and its state carried to SQLite and files and back."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from modelyard.quickstart.digits import load_digits
from modelyard.quickstart.story import Story
from modelyard.sdk.client import Client
from modelyard.testing.programs import Program, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # a minute or two; the rest is for a busy machine

LISTS = (  # with what is made again and again, so that only what was there before can be compared
    "registry/v1/projects", "registry/v1/tokens",
    "registry/v1/projects/default/datasets", "registry/v1/projects/default/datasets/digits/versions",
    "registry/v1/projects/default/models", "registry/v1/projects/default/models/digits/versions",
    "jobs/v1/projects/default/jobs",
    "operations/v1/projects/default/monitors/{monitor}/reports",
    "operations/v1/projects/default/retraining-policies/{policy}/runs",
    "operations/v1/projects/default/endpoints/digits/rollouts",
)  # fmt: skip
DESCRIPTIONS = (
    "registry/v1/projects/default/models/digits/versions/1/lineage",
    "jobs/v1/projects/default/jobs/{job}/logs",
    "jobs/v1/projects/default/jobs/{job}/metrics",
    "operations/v1/projects/default/endpoints/digits/feedback",
    "operations/v1/projects/default/endpoints/digits/inferences/{inference}",
)
CHANGING = ("last_used_at",)


class Platform:
    """A platform on given stores, in a state directory of its own."""

    def __init__(self, home: Path, programs: Callable[..., Program], stores: Mapping[str, str]) -> None:
        self.program = programs(home, "modelyard.server.up", environment=stores)
        self._home, self._stores = home, stores
        self.url = self.token = ""

    def start(self, token: str = "") -> Client:
        """`token`: of an administrator; that of a first start if it is left out."""
        self.url = self.program.start("--port", "0").ready()
        self.token = token or self.program.token
        return Client(self.url, self.token)

    def run(self, command: str, file: Path) -> dict[str, Any]:
        """`modelyard COMMAND FILE --json` with the platform's settings."""
        done = subprocess.run(
            [sys.executable, "-m", "modelyard.cli.main", command, str(file), "--home", str(self._home), "--json"],
            env=self.program.environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def refusal(self, command: str, file: Path) -> str:
        with pytest.raises(AssertionError) as refused:
            self.run(command, file)
        return str(refused.value)

    def names(self) -> dict[str, str]:
        """Of things to look at."""
        (inference,) = self._get("operations/v1/projects/default/endpoints/digits/inferences", limit=1).json()["items"]
        return {
            "job": self._items("jobs/v1/projects/default/jobs")[-1]["id"],
            "monitor": self._items("operations/v1/projects/default/monitors")[0]["name"],
            "policy": self._items("operations/v1/projects/default/retraining-policies")[0]["name"],
            "inference": inference["id"],
        }

    def pending_labels(self) -> int:
        return self._get("operations/v1/projects/default/endpoints/digits/feedback").json()["pending"]

    def answers(self, names: Mapping[str, str]) -> dict[str, Any]:
        """What the platform says of everything that it has, and what its model says of images."""
        found: dict[str, Any] = {path: self._items(path.format(**names)) for path in LISTS}
        found |= {path: self._get(path.format(**names)).text for path in DESCRIPTIONS}
        (endpoint,) = self._items("operations/v1/projects/default/endpoints")
        found["endpoint"] = [endpoint["variants"], endpoint["capture_share"], endpoint["created_at"]]
        with Client(self.url, self.token) as client:
            client.endpoints.wait("digits", timeout_seconds=120)
            answer = client.predict("digits", load_digits().training.images[:32])
        found["predictions"] = [
            answer.model,
            answer.labels,
            {name: output.data for name, output in answer.outputs.items()},
        ]
        return found

    def _items(self, path: str) -> list[dict[str, Any]]:
        page = self._get(path, limit=500).json()
        assert page["next_cursor"] is None
        return [{name: value for name, value in item.items() if name not in CHANGING} for item in page["items"]]

    def _get(self, path: str, **query: int) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        return httpx.get(f"{self.url}/{path}", params=query, headers=headers, timeout=60).raise_for_status()


def assert_same(before: dict[str, Any], after: dict[str, Any]) -> None:
    for path, value in before.items():
        if path in LISTS:
            assert [item for item in after[path] if item in value] == value, path
        else:
            assert after[path] == value, path


def test_the_story_holds_on_postgresql_and_s3_and_its_state_moves_to_sqlite_and_files_and_back(
    tmp_path: Path,
    programs: Callable[..., Program],
    postgres_url: Callable[[], str],
    s3_server: Mapping[str, str],
) -> None:
    def remote(name: str) -> dict[str, str]:
        stores = {"DATABASE_URL": postgres_url(), "OBJECTS_URL": f"s3://test/{tmp_path.name}/{name}"}
        return {**s3_server, **{f"MODELYARD_{key}": value for key, value in stores.items()}}

    first = Platform(tmp_path / "first", programs, remote("first"))
    tell_the_story(first)
    names = first.names()
    before = first.answers(names)
    assert "Modelyard runs in this state directory" in first.refusal("export", tmp_path / "early.tar")
    assert first.program.stop() == 0
    assert [*first.program.home.rglob("*.db")] == []
    assert [path for path in (first.program.home / "objects").rglob("*") if path.is_file()] == []

    exported = first.run("export", tmp_path / "one.tar")
    assert exported["tables"]["registry/model_versions"]["rows"] == 2
    local = Platform(tmp_path / "local", programs, {})
    assert local.run("import", tmp_path / "one.tar") == exported
    local.start(first.token)
    assert_same(before, local.answers(names))
    assert local.program.stop() == 0

    local.run("export", tmp_path / "two.tar")
    second = Platform(tmp_path / "second", programs, remote("second"))
    second.run("import", tmp_path / "two.tar")
    assert "not empty" in second.refusal("import", tmp_path / "two.tar")
    second.start(first.token)
    assert_same(before, second.answers(names))
    assert second.program.stop() == 0


def tell_the_story(platform: Platform) -> None:
    story = Story(platform.start, lambda _words: None, lambda _share, _line: None)
    try:
        for _purpose, step in story.steps():
            step()
        requests, failures, _seconds = story.traffic()
    finally:
        story.close()
    assert (requests > 100, failures) == (True, 0)
    until(lambda: platform.pending_labels() == 0, "the last labels find their inferences")
