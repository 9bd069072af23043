"""Workflows on the real library: killed inside a step, the next process does that step again and only that."""

import subprocess
import sys
import textwrap

PROGRAM = textwrap.dedent("""
    import os, sys, time
    from dbos import DBOS, DBOSConfiguredInstance
    from modelyard.control.durable import Durable, enqueue_workflow, start_workflow

    url, trace, mode = sys.argv[1:]

    def note(word):
        with open(trace, "a") as file:
            file.write(word + "\\n")

    @DBOS.dbos_class()
    class Inner(DBOSConfiguredInstance):
        def __init__(self):
            super().__init__("main")

        @DBOS.workflow(name="inner")
        def run(self, argument: str) -> None:
            note("inner " + argument)

    @DBOS.dbos_class()
    class Outer(DBOSConfiguredInstance):
        def __init__(self, inner):
            super().__init__("main")
            self._inner = inner

        @DBOS.workflow(name="outer")
        def run(self, argument: str) -> None:
            self._first(argument)
            self._second(argument)

        @DBOS.step()
        def _first(self, argument: str) -> None:
            note("first")

        @DBOS.step()
        def _second(self, argument: str) -> None:
            note("second")
            if mode == "die":
                os.kill(os.getpid(), 9)
            enqueue_workflow("queue", "inner-1", self._inner.run, argument)

    durable = Durable(url)
    inner = Inner()
    outer = Outer(inner)
    durable.launch()
    durable.add_queue("queue", 1)
    start_workflow("outer-1", outer.run, "x")
    start_workflow("outer-1", outer.run, "x")
    deadline = time.monotonic() + 30
    while "inner x" not in open(trace).read() and time.monotonic() < deadline:
        time.sleep(0.05)
    durable.close()
""")


def run(tmp_path, mode: str) -> int:
    arguments = [sys.executable, "-c", PROGRAM, f"sqlite:///{tmp_path}/w.db", str(tmp_path / "trace"), mode]
    return subprocess.run(arguments, timeout=90, check=False).returncode


def test_a_workflow_killed_in_a_step_goes_on_there_and_a_step_may_start_another(tmp_path):
    (tmp_path / "trace").touch()
    assert run(tmp_path, "die") == -9
    assert run(tmp_path, "live") == 0
    assert (tmp_path / "trace").read_text().splitlines() == ["first", "second", "second", "inner x"]
