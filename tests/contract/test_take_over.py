"""Workflows on PostgreSQL whose process is killed: it takes them up again, or another one if it is gone."""

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

PROGRAM = textwrap.dedent("""
    import os, sys, time
    from dbos import DBOS, DBOSConfiguredInstance
    from modelyard.control.durable import Durable, enqueue_workflow, start_workflow

    url, trace, control, mode = sys.argv[1:]

    def note(word):
        with open(trace, "a") as file:
            file.write(f"{control} {word}\\n")

    @DBOS.dbos_class()
    class Work(DBOSConfiguredInstance):
        def __init__(self):
            super().__init__("main")

        @DBOS.workflow(name="work")
        def run(self, argument: str) -> None:
            self._first(argument)
            self._second(argument)

        @DBOS.step()
        def _first(self, argument: str) -> None:
            note(f"first {argument}")

        @DBOS.step()
        def _second(self, argument: str) -> None:
            while mode == "die":
                time.sleep(0.05)
            note(f"second {argument}")

    durable = Durable(url, f"apps/{control}", ("queue",))
    work = Work()
    durable.launch()
    durable.add_queue("queue", 4)
    if mode == "die":
        enqueue_workflow("queue", "queued", work.run, "queued")
        start_workflow("started", work.run, "started")
        while not all(DBOS.list_workflow_steps(name) for name in ("queued", "started")):
            time.sleep(0.05)  # a step that is not recorded may be done once more
        os.kill(os.getpid(), 9)
    deadline = time.monotonic() + (3 if mode == "wait" else 60)
    while open(trace).read().count("second") < 2 and time.monotonic() < deadline:
        if mode == "take over":
            durable.take_over(lambda names: [name for name in names if name == "apps/a"], may_act=True)
        time.sleep(0.1)
    durable.close()
""")


def run(url: str, trace: Path, control: str, mode: str) -> int:
    trace.touch()
    arguments = [sys.executable, "-c", PROGRAM, url, str(trace), control, mode]
    return subprocess.run(arguments, timeout=120, check=False).returncode


def lines(trace: Path) -> list[str]:
    return sorted(trace.read_text().splitlines())


def test_a_killed_process_s_workflows_go_on_in_it_and_with_nobody_else(postgres_url: Callable[[], str], tmp_path: Path):
    url, trace = postgres_url(), tmp_path / "trace"
    assert run(url, trace, "a", "die") == -9
    assert run(url, trace, "b", "wait") == 0
    assert lines(trace) == ["a first queued", "a first started"], "b leaves them alone"
    assert run(url, trace, "a", "live") == 0
    assert lines(trace) == ["a first queued", "a first started", "a second queued", "a second started"]


def test_a_dead_process_s_workflows_go_on_in_another_one_each_step_once(
    postgres_url: Callable[[], str], tmp_path: Path
):
    url, trace = postgres_url(), tmp_path / "trace"
    assert run(url, trace, "a", "die") == -9
    assert run(url, trace, "b", "take over") == 0
    assert lines(trace) == ["a first queued", "a first started", "b second queued", "b second started"]
