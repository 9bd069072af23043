"""The engine alone: callers, supervisors and commands are killed at random; records and processes agree afterwards."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from modelyard.engines.local import cgroups
from modelyard.engines.local.engine import LocalEngine
from modelyard.engines.local.records import Records
from modelyard.settings import Home
from modelyard.testing.chaos.platform import Platform
from modelyard.testing.engine import until
from modelyard.types.processes import EndCause, SandboxLevel

KILLS = 40
CAUSES = {EndCause.LOST, EndCause.STOPPED, EndCause.SIGNAL}
CALLER = """
import random, sys
from pathlib import Path
from modelyard.engines.local.engine import LocalEngine
from modelyard.settings import Home
from modelyard.types.processes import ProcessSpec, Resources, SandboxLevel
root, level, seed = Path(sys.argv[1]), SandboxLevel(sys.argv[2]), sys.argv[3]
engine, chance = LocalEngine(Home(root / "home"), level=level), random.Random(seed)
acknowledged = open(root / f"acknowledged-{seed}", "a", buffering=1)
while True:
    process_id = f"p{chance.randrange(1 << 60)}"
    work = root / "work" / process_id
    work.mkdir()
    command = "echo x >> starts; (setsid sleep 600 &); sleep %.2f" % chance.choice((0, 0.2, 600))
    limits = Resources(memory_bytes=1 << 28)
    spec = ProcessSpec(command=("sh", "-c", command), work_directory=str(work), resources=limits)
    engine.submit(process_id, spec)
    print(process_id, file=acknowledged)
    choice = chance.random()
    if choice < 0.3:
        engine.stop(process_id, grace_seconds=chance.choice((0, 0.1)))
    if choice < 0.5:
        engine.wait(process_id, 0.3)
    if choice > 0.9:
        engine.reap()
"""


@pytest.mark.slow
@pytest.mark.parametrize("level", [each for each in SandboxLevel if each is not SandboxLevel.CONTAINER])
def test_records_and_processes_agree_whatever_is_killed(tmp_path, level):
    home = Home(tmp_path / "home")
    home.create()
    (tmp_path / "work").mkdir()
    engine, records, chance = LocalEngine(home, level=level), Records(home.processes), random.Random(f"5{level}")
    callers: dict[subprocess.Popen[bytes], Path] = {}
    killed: Counter[str] = Counter()
    deadline = time.monotonic() + 150
    try:
        while not (killed.total() >= KILLS and causes(engine) >= CAUSES) and time.monotonic() < deadline:
            callers = {caller: work for caller, work in callers.items() if caller.poll() is None}
            while len(callers) < 2:
                seed = str(chance.randrange(1 << 30))
                caller = subprocess.Popen([sys.executable, "-c", CALLER, str(tmp_path), level, seed])
                callers[caller] = tmp_path / f"acknowledged-{seed}"
            time.sleep(chance.uniform(0, 0.4))
            found = victims(callers, engine, records)
            if not found:
                continue
            kind, pid = chance.choice(found)
            try:
                os.kill(pid, signal.SIGKILL)
                killed[kind] += 1
            except ProcessLookupError:
                continue
    finally:
        for caller in callers:
            caller.kill()
            caller.wait()
    time.sleep(0.5)
    engine.reap()
    assert killed.total() >= KILLS, killed
    assert set(killed) == {"caller", "supervisor", "command"}
    check_agreement(tmp_path, home, engine, records)
    for state in engine.list():
        engine.remove(state.id)
    assert not Platform(home.root).survivors()
    assert not cgroups.existing(engine._cgroup_name(""))


def victims(callers, engine, records):
    """Whatever is at work: a caller is once it has something to lose, which on a busy machine takes seconds."""
    found = [("caller", caller.pid) for caller, acknowledged in callers.items() if acknowledged.exists()]
    alive = [state for state in engine.list() if state.is_alive]
    found += [("supervisor", pid) for state in alive if (pid := records.holder(state.id))]
    return found + [("command", state.pid) for state in alive if state.pid]


def causes(engine: LocalEngine) -> set[EndCause]:
    """Of all ends so far: on a busy machine forty kills may come before anything was stopped."""
    return {state.end.cause for state in engine.list() if state.end}


def check_agreement(root: Path, home: Home, engine: LocalEngine, records: Records) -> None:
    acknowledged = {line for path in root.glob("acknowledged-*") for line in path.read_text().split()}
    states = {state.id: state for state in engine.list()}
    assert acknowledged
    assert acknowledged <= set(states)  # no acknowledged submission is lost
    for process_id, state in states.items():
        starts = root / "work" / process_id / "starts"
        # None was started twice; one killed between opening and writing the file leaves it empty.
        assert not starts.exists() or starts.read_text() in ("x\n", "")
        assert state.is_alive == (records.holder(process_id) is not None)
        assert state.is_alive or state.end is not None
    assert causes(engine) >= CAUSES
    assert not causes(engine) & {EndCause.START_FAILED, EndCause.OUT_OF_MEMORY}
    platform = Platform(home.root)
    until(lambda: all(states[process_id].is_alive for process_id in platform.marked().values()), 10)
