"""`make quickstart` as a newcomer runs it: it ends well, leaves nothing behind, and does not mind what was there."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from modelyard.testing.programs import Program, processes_of, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # a minute or two; the rest is for a busy machine
QUICKSTART_SECONDS = 500


def test_the_quickstart_ends_well_also_over_the_remains_of_one_that_was_killed(
    tmp_path: Path, programs: Callable[..., Program]
) -> None:
    home = tmp_path / "home"
    quickstart = programs(home, "modelyard.quickstart")

    start_until_it_trains(quickstart)
    up = next(pid for pid, command in processes_of(home).items() if "modelyard.server.up" in command)
    for pid in (quickstart.process.pid, up):
        os.kill(pid, signal.SIGKILL)
    quickstart.process.wait()
    assert any("modelyard.algorithms.run" in command for command in processes_of(home).values())

    quickstart.start("--stop")
    assert quickstart.process.wait(QUICKSTART_SECONDS) == 0, quickstart.output()
    output = quickstart.output()
    assert "digits:1 -> digits:2" in output
    assert "11. The whole life of a model in " in output
    assert processes_of(home) == {}

    start_until_it_trains(quickstart)
    assert quickstart.stop(signal.SIGINT) == 1
    assert "interrupted" in quickstart.output()
    assert processes_of(home) == {}


def start_until_it_trains(quickstart: Program) -> None:
    quickstart.start("--stop").wait_for_line(" 3. ")
    until(
        lambda: any("modelyard.algorithms.run" in command for command in processes_of(quickstart.home).values()),
        "the training job to start",
    )


def test_the_quickstart_leaves_a_folder_alone_that_is_not_its_own(
    tmp_path: Path, programs: Callable[..., Program]
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "thesis.tex").write_text("years of work")

    quickstart = programs(home, "modelyard.quickstart").start("--stop")

    assert quickstart.process.wait(120) == 1
    assert "Give another folder with --home" in quickstart.output()
    assert (home / "thesis.tex").read_text() == "years of work"
