"""`make quickstart` as a newcomer runs it: it ends well, leaves nothing behind, and does not mind what was there."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from modelyard.testing.programs import Program, processes_of, until

pytestmark = pytest.mark.slow
QUICKSTART_SECONDS = 280


def test_the_quickstart_ends_well_also_over_the_remains_of_one_that_was_killed(
    tmp_path: Path, programs: Callable[..., Program]
) -> None:
    home = tmp_path / "home"
    quickstart = programs(home, "modelyard.quickstart")

    quickstart.start("--stop").wait_for_line(" 4. ")  # the job is over: one replica more and there would be traffic
    for pid in processes_of(home):
        os.kill(pid, signal.SIGKILL)
    quickstart.process.wait()
    assert (home / "modelyard.db").exists()

    quickstart.start("--stop")
    assert quickstart.process.wait(QUICKSTART_SECONDS) == 0, quickstart.output()
    output = quickstart.output()
    assert "digits:1 -> digits:2" in output
    assert " 11. " in f" {output}"
    assert processes_of(home) == {}

    quickstart.start("--stop").wait_for_line(" 3. ")
    until(lambda: any((home / "run" / "jobs").glob("*/job.json")), "the training job to start")
    assert quickstart.stop(signal.SIGINT) == 1
    assert "interrupted" in quickstart.output()
    assert processes_of(home) == {}


def test_the_quickstart_leaves_a_folder_alone_that_is_not_its_own(
    tmp_path: Path, programs: Callable[..., Program]
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "thesis.tex").write_text("years of work")

    quickstart = programs(home, "modelyard.quickstart").start("--stop")

    assert quickstart.process.wait(60) == 1
    assert "Give another folder with --home" in quickstart.output()
    assert (home / "thesis.tex").read_text() == "years of work"
