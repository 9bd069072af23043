"""Programs that no test has to end."""

import importlib.util
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from modelyard.testing.programs import Program

# What the extra adds is tested where it is installed: `make test-torch`.
collect_ignore = [] if importlib.util.find_spec("torch") else ["test_torch_gang.py", "test_torch_sagemaker.py"]


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("MODELYARD_"):
            monkeypatch.delenv(name)


@pytest.fixture
def programs() -> Iterator[Callable[..., Program]]:
    """`programs(home, "modelyard.server.up", ...)` makes a Program that the test does not have to end."""
    made: list[Program] = []

    def make(home: Path, *command: str, environment: Mapping[str, str] | None = None) -> Program:
        made.append(Program(home, *command, environment=environment))
        return made[-1]

    yield make
    for program in reversed(made):
        program.end()
