"""What only the local engine promises: nothing lives without a record, whatever is killed or deleted when."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from modelyard.engines.local import cgroups, layout
from modelyard.engines.local.engine import LocalEngine
from modelyard.engines.local.records import Records
from modelyard.engines.local.sandbox import confine, planning
from modelyard.engines.records import ProcessIdInvalidError
from modelyard.errors import InvalidInputError
from modelyard.settings import Home
from modelyard.testing.engine import HEARTBEAT, assert_silent, until
from modelyard.types.processes import EndCause, Mount, ProcessSpec, ProcessStatus, SandboxLevel


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path / "home")
    home.create()
    return home


@pytest.fixture
def engine(home):
    engine = LocalEngine(home)
    yield engine
    for state in engine.list():
        engine.remove(state.id)
    engine.reap()


@pytest.fixture
def spec(tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    return ProcessSpec(command=("sh", "-c", HEARTBEAT), work_directory=str(work))


def supervisors(home: Home) -> list[int]:
    """Pids whose command line names this home."""
    found = []
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                arguments = (path / "cmdline").read_bytes()
            except OSError:
                continue
            if os.fsencode(home.processes) in arguments and b"shim.main" in arguments:
                found.append(int(path.name))
    return found


def delete_folder(path: Path) -> None:
    while path.exists():
        shutil.rmtree(path, ignore_errors=True)  # its supervisor may be writing


def beating(spec: ProcessSpec) -> None:
    until(lambda: Path(spec.work_directory, "heartbeat").exists())


@pytest.mark.parametrize("level", list(SandboxLevel))
def test_a_supervisor_whose_record_was_deleted_ends_by_itself(home, spec, level):
    engine = LocalEngine(home, level=level, has_cgroups=False)
    engine.submit("p", spec)
    beating(spec)
    delete_folder(home.processes / "p")
    until(lambda: not supervisors(home), 10)
    assert_silent(spec)


def test_reap_ends_a_supervisor_without_a_record_at_once_and_says_so(home, engine, spec):
    engine.submit("p", spec)
    beating(spec)
    pid = Records(home.processes).holder("p")
    os.kill(pid, signal.SIGSTOP)  # it cannot notice
    delete_folder(home.processes / "p")
    ended = engine.reap()
    assert len(ended) >= 1
    assert "'p'" in ended[0]
    assert_silent(spec)
    until(lambda: not supervisors(home), 10)


def test_reap_deletes_what_interrupted_calls_left(home, engine, spec):
    for name in (f"{layout.NEW_PREFIX}1", f"{layout.REMOVED_PREFIX}2"):
        folder = home.processes / name
        folder.mkdir()
        os.utime(folder, (1, 1))
    (home.processes / f"{layout.NEW_PREFIX}young").mkdir()
    group = cgroups.create(engine._cgroup_name("gone"), cpus=None, memory_bytes=None, max_processes=9)
    engine.reap()
    assert [path.name for path in home.processes.iterdir()] == [f"{layout.NEW_PREFIX}young"]
    assert group is None or not any(Path(folder).exists() for folder in group.folders.values())


def test_no_control_group_is_left_after_an_end(home, engine, spec):
    for name, command in (("a", ("true",)), ("b", ("no-such-program",))):
        engine.submit(name, replace(spec, command=command))
        engine.wait(name, 30)
    assert not cgroups.existing(engine._cgroup_name(""))


def test_a_supervisor_is_gone_and_its_lock_free_once_the_end_is_known(home, engine, spec):
    engine.submit("p", replace(spec, command=("true",)))
    assert engine.wait("p", 30).status is ProcessStatus.ENDED
    until(lambda: Records(home.processes).holder("p") is None, 5)
    until(lambda: not supervisors(home), 5)


def test_a_caller_killed_anywhere_in_submit_leaves_a_whole_process_or_none(home, engine, spec, tmp_path):
    chance = random.Random(20)
    source = (
        "import sys; from pathlib import Path; from modelyard.settings import Home\n"
        "from modelyard.engines.local.engine import LocalEngine\n"
        "from modelyard.types.processes import ProcessSpec\n"
        f"engine = LocalEngine(Home(Path({str(home.root)!r})))\n"
        f"spec = ProcessSpec(command=('sleep', '600'), work_directory={spec.work_directory!r})\n"
        "engine.sandbox_level(); print('go', flush=True)\n"
        "for i in range(100): engine.submit(f'{sys.argv[1]}-{i}', spec)\n"
    )
    for attempt in range(6):
        with subprocess.Popen([sys.executable, "-c", source, str(attempt)], stdout=subprocess.PIPE) as caller:
            assert caller.stdout.readline() == b"go\n"
            time.sleep(chance.uniform(0, 0.2))
            caller.kill()
        time.sleep(0.3)  # a launch under way ends in a record or in nothing
        engine.reap()
        states = engine.list()
        assert all(state.is_alive for state in states)
        assert len(supervisors(home)) == len(states)
        for state in states:
            engine.remove(state.id)


@pytest.mark.parametrize("level", [SandboxLevel.BUBBLEWRAP, SandboxLevel.RLIMITS])
def test_what_a_killed_process_had_used_is_in_its_account(home, spec, level):
    engine = LocalEngine(home, level=level)
    engine.submit("p", replace(spec, command=("python", "-c", "while True: pass")))
    until(lambda: (usage := engine.state("p").usage) is not None and usage.cpu_seconds > 0.3)
    before = engine.state("p").usage.cpu_seconds
    engine.stop("p", grace_seconds=0)
    assert engine.wait("p", 30).end.cpu_seconds >= before
    engine.remove("p")


def test_a_lost_process_is_lost_for_every_observer_even_at_once(home, engine, spec):
    engine.submit("p", spec)
    beating(spec)
    os.kill(Records(home.processes).holder("p"), signal.SIGKILL)
    until(lambda: not LocalEngine(home).state("p").is_alive)
    ends = [LocalEngine(home).state("p").end for _ in range(3)]
    assert ends[0].cause is EndCause.LOST
    assert ends[1:] == ends[:-1]


def test_a_mount_may_not_show_the_engines_own_folder(home, engine, spec):
    for path in (home.root, home.run, home.processes):
        with pytest.raises(InvalidInputError, match="own folder"):
            engine.submit("p", replace(spec, mounts=(Mount(path=str(path)),)))


@pytest.mark.parametrize("process_id", ["", "../p", "a/b", ".hidden", "x" * 121, "a\0b"])
def test_an_id_that_is_no_file_name_is_refused(engine, spec, process_id):
    with pytest.raises(ProcessIdInvalidError):
        engine.submit(process_id, spec)


def test_endless_output_is_bounded_on_disk(home, engine, spec, monkeypatch):
    monkeypatch.setattr(planning, "LOG_SEGMENT_BYTES", 100_000)
    engine.submit("p", replace(spec, command=("sh", "-c", "yes | head -c 2000000; echo last")))
    end = engine.wait("p", 30).end
    assert end.log_tail.endswith("last\n")
    sizes = [path.stat().st_size for path in (home.processes / "p" / layout.LOG).iterdir()]
    assert len(sizes) <= 4
    assert sum(sizes) < 700_000
    assert engine.logs("p", 0).next_offset == 2_000_005


@pytest.mark.parametrize("level", list(SandboxLevel))
def test_system_calls_that_nobody_needs_are_absent_in_every_sandbox(home, spec, level):
    engine = LocalEngine(home, level=level)
    calls = confine.refused_calls()
    assert "io_uring_setup" in calls
    source = (
        "import ctypes, errno\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        f"for number in {list(calls.values())}:\n"
        "    assert libc.syscall(number, 0, 0, 0, 0, 0) == -1 and ctypes.get_errno() == errno.ENOSYS, number\n"
        "assert libc.syscall(0x40000000 + 39) == -1 and ctypes.get_errno() == errno.ENOSYS\n"
    )
    for has_network in (False, True):
        process_id = f"p{has_network}"
        engine.submit(process_id, replace(spec, command=("python", "-c", source), has_network=has_network))
        end = engine.wait(process_id, 30).end
        assert end.exit_code == 0, end
        engine.remove(process_id)


def test_a_supervisor_that_fails_itself_gives_an_account_and_leaves_no_process(home, engine, spec, monkeypatch):
    make_plan = planning.make_plan

    def broken(*arguments, **options):
        plan = make_plan(*arguments, **options)
        del plan["limits"]["disk_bytes"]
        return plan

    monkeypatch.setattr(planning, "make_plan", broken)
    engine.submit("p", spec)
    end = engine.wait("p", 30).end
    assert end.cause is EndCause.LOST
    assert "disk_bytes" in end.message
    assert not supervisors(home)
