"""The whole product on PostgreSQL and S3: train, register, find, deploy, infer, feedback, drift, retraining."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from modelyard.quickstart.story import Story
from modelyard.sdk.client import Client
from modelyard.testing.programs import Program

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # a minute; the rest is for a busy machine


def test_the_story_holds_with_nothing_but_logs_and_caches_on_this_machine(
    tmp_path: Path,
    programs: Callable[..., Program],
    postgres_url: Callable[[], str],
    s3_server: Mapping[str, str],
) -> None:
    stores = {"MODELYARD_DATABASE_URL": postgres_url(), "MODELYARD_OBJECTS_URL": f"s3://test/{tmp_path.name}"}
    program = programs(tmp_path / "home", "modelyard.server.up", environment={**s3_server, **stores})

    def connect() -> Client:
        return Client(program.start("--port", "0").ready(), program.token)

    story = Story(connect, lambda _words: None, lambda _share, _line: None)
    try:
        for _purpose, step in story.steps():
            step()
        requests, failures, _seconds = story.traffic()
    finally:
        story.close()
    assert (requests > 100, failures) == (True, 0)
    assert [*program.home.rglob("*.db")] == []
    assert [path for path in (program.home / "objects").rglob("*") if path.is_file()] == []
    assert program.stop() == 0
