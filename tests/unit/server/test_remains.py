"""What a killed platform leaves behind is ended by the engine that it had."""

import json
import sys

import pytest

from modelyard.engines.choice import open_engine
from modelyard.kit.locks import ResourceBusyError
from modelyard.server.state import remains
from modelyard.server.state.lock import PlatformLock
from modelyard.settings import Settings
from modelyard.testing.engine import until
from modelyard.types.processes import EndCause, ProcessSpec, ProcessStatus


@pytest.fixture
def settings(tmp_path):
    settings = Settings(home=tmp_path / "home")
    settings.layout.create()
    return settings


def test_jobs_that_still_run_are_asked_to_make_room(settings, tmp_path):
    engine, work = open_engine(settings), tmp_path / "work"
    work.mkdir()
    spec = ProcessSpec(
        command=(sys.executable, "-c", "import time; time.sleep(600)"), work_directory=str(work), environment={}
    )
    engine.submit("job-1", spec)
    until(lambda: engine.state("job-1").status is ProcessStatus.RUNNING)
    assert remains.end_remains(settings) == 1
    ended = engine.state("job-1")
    assert ended.end is not None
    assert ended.end.cause is EndCause.PREEMPTED
    assert remains.end_remains(settings) == 0


def test_the_engine_is_the_one_that_the_platform_had(settings, monkeypatch):
    told = remains.engine_settings(settings.model_copy(update={"ray_address": "10.0.0.1:6379"}))
    (settings.layout.run / "platform.json").write_text(json.dumps({"pid": 1, "processes": {}, "settings": told}))
    opened = []
    monkeypatch.setattr(remains, "open_engine", lambda settings: opened.append(settings) or open_engine(settings))
    remains.end_remains(settings.model_copy(update={"ray_address": None}))
    assert [each.ray_address for each in opened] == ["10.0.0.1:6379"]


def test_nothing_is_ended_while_something_works_in_the_state_directory(settings):
    with PlatformLock(settings.layout, "An export"), pytest.raises(ResourceBusyError) as refused:
        remains.end_remains(settings)
    assert refused.value.hint == "Try again later."


def test_where_nothing_was_started_nothing_is_ended(tmp_path):
    assert remains.end_remains(Settings(home=tmp_path / "none")) == 0
