"""The conformance suite of the engine contract. Subclass it in a test module and give the fixture `case`.

class TestMyEngine(FencedEngineConformance):  # EngineConformance, if it cannot fence files and network
    @pytest.fixture
    def case(self, tmp_path): return EngineCase(open=lambda: MyEngine(tmp_path), kill_supervisor=..., ...)

Commands are `sh` and `python`, which the engine's environment must offer.
"""
# ruff: noqa: D102, PLR2004, S101, S108 - these are tests: their names are sentences

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from modelyard.engines.base import Engine, NoSuchNodeError, ProcessNotFoundError
from modelyard.errors import InvalidInputError
from modelyard.kit.ids import new_id
from modelyard.settings import Home
from modelyard.types.processes import EndCause, Mount, ProcessEnd, ProcessSpec, ProcessStatus, Resources

PATIENCE_SECONDS = 60.0
MIB = 1 << 20
HEARTBEAT = "while :; do echo x >> heartbeat; sleep 0.05; done"
EAT_MEMORY = "blocks = []\nwhile True: blocks.append(bytearray(5_000_000))"


@dataclass(kw_only=True)
class EngineCase:
    """An engine under test.

    Attributes:
        open: a new engine object on the same state at every call.
        kill_supervisor: SIGKILL to whatever supervises a process (an engine whose supervisor cannot be killed by its
            user kills the process's host).
        folder: an existing folder in which work directories are made.
        secrets: files of the platform that no process may read.
        engine: the object that most tests use.
    """

    open: Callable[[], Engine]
    kill_supervisor: Callable[[str], None]
    folder: Path
    secrets: tuple[Path, ...] = ()
    engine: Engine = field(init=False)

    def __post_init__(self) -> None:
        self.engine = self.open()

    def spec(self, *command: str, **resources: float) -> ProcessSpec:
        """A spec with a new work directory and no network."""
        folder = self.folder / new_id("work")
        folder.mkdir()
        limits = Resources(**resources)  # type: ignore[arg-type]  # whole where they must be
        return ProcessSpec(command=command, work_directory=str(folder), resources=limits)

    def start(self, spec: ProcessSpec) -> str:
        """Submit under a new id."""
        process_id = new_id("p")
        self.engine.submit(process_id, spec)
        return process_id

    def start_running(self, *command: str, **resources: float) -> tuple[str, ProcessSpec]:
        """Submit, wait until the command was executed."""
        spec = self.spec(*command, **resources)
        process_id = self.start(spec)
        until(lambda: self.engine.state(process_id).status is not ProcessStatus.STARTING)
        return process_id, spec

    def run(self, spec: ProcessSpec) -> ProcessEnd:
        """Submit and wait for the end."""
        return self.end(self.start(spec))

    def end(self, process_id: str) -> ProcessEnd:
        """Wait for the end."""
        end = self.engine.wait(process_id, PATIENCE_SECONDS).end
        assert end is not None, "it did not end"
        return end

    def python(self, source: str, **resources: float) -> ProcessSpec:
        """A spec that runs Python source."""
        return self.spec("python", "-c", source, **resources)


class EngineConformance:
    """What every engine must do."""

    @pytest.fixture(autouse=True)
    def _no_process_survives(self, case: EngineCase) -> Iterator[None]:
        yield
        for state in case.engine.list():
            case.engine.remove(state.id)
        assert list(case.engine.reap()) == []

    # ---- ends

    @pytest.mark.parametrize("code", [0, 3, 127])
    def test_an_exit_code_is_reported(self, case: EngineCase, code: int) -> None:
        end = case.run(case.spec("sh", "-c", f"echo out; echo err >&2; exit {code}"))
        assert (end.cause, end.exit_code, end.signal) == (EndCause.EXIT, code, None)
        assert end.log_tail == "out\nerr\n"
        assert end.message
        assert end.ended_at is not None

    @pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL, signal.SIGTERM])
    def test_a_signal_that_nobody_here_sent_is_reported(self, case: EngineCase, number: int) -> None:
        end = case.run(case.spec("sh", "-c", f"kill -{number} $$"))
        assert (end.cause, end.exit_code, end.signal) == (EndCause.SIGNAL, None, number)

    def test_a_command_that_does_not_exist_is_a_failed_start(self, case: EngineCase) -> None:
        end = case.run(case.spec("no-such-program"))
        assert (end.cause, end.exit_code) == (EndCause.START_FAILED, None)
        assert "no-such-program" in end.message

    def test_what_was_used_is_reported(self, case: EngineCase) -> None:
        source = "x = bytearray(80_000_000)\nimport time\nwhile time.process_time() < 0.3: pass"
        end = case.run(case.python(source))
        assert end.max_rss_bytes is not None
        assert end.max_rss_bytes > 80_000_000
        assert end.cpu_seconds is not None
        assert 0.25 < end.cpu_seconds < PATIENCE_SECONDS

    def test_a_bad_spec_is_refused_and_leaves_no_record(self, case: EngineCase) -> None:
        good = case.spec("true")
        for bad in (
            replace(good, command=()),
            replace(good, work_directory="/no/such/folder"),
            replace(good, mounts=(Mount(path="/no/such/folder"),)),
        ):
            process_id = new_id("p")
            with pytest.raises(InvalidInputError):
                case.engine.submit(process_id, bad)
            with pytest.raises(ProcessNotFoundError):
                case.engine.state(process_id)

    def test_a_process_runs_on_the_machine_that_it_names_or_not_at_all(self, case: EngineCase) -> None:
        names = [node.name for node in case.engine.nodes() if node.is_alive and node.cpus and node.memory_bytes]
        assert [case.run(replace(case.spec("true"), node=name)).exit_code for name in {*names}] == [0] * len(names)
        with pytest.raises(NoSuchNodeError, match="no-such-machine"):
            case.engine.submit("p", replace(case.spec("true"), node="no-such-machine"))
        assert not case.engine.knows("p")

    # ---- limits

    def test_memory_over_the_limit_is_out_of_memory(self, case: EngineCase) -> None:
        end = case.run(case.python(EAT_MEMORY, memory_bytes=100 * MIB))
        assert end.cause is EndCause.OUT_OF_MEMORY, end
        assert "memory" in end.message

    def test_memory_of_a_child_counts(self, case: EngineCase) -> None:
        source = (
            f"import subprocess, sys, time; subprocess.run([sys.executable, '-c', {EAT_MEMORY!r}]); time.sleep(600)"
        )
        assert case.run(case.python(source, memory_bytes=100 * MIB)).cause is EndCause.OUT_OF_MEMORY

    def test_asking_for_all_memory_at_once_is_out_of_memory(self, case: EngineCase) -> None:
        end = case.run(case.python("bytearray(1 << 46)", memory_bytes=100 * MIB))
        assert end.cause is EndCause.OUT_OF_MEMORY, end

    def test_memory_under_the_limit_is_granted(self, case: EngineCase) -> None:
        assert case.run(case.python("bytearray(60_000_000)", memory_bytes=150 * MIB)).exit_code == 0

    def test_time_over_the_limit_is_a_timeout(self, case: EngineCase) -> None:
        end = case.run(case.spec("sleep", "600", time_limit_seconds=0.5))
        assert (end.cause, end.exit_code) == (EndCause.TIMEOUT, None)
        assert "0.5 s" in end.message

    def test_many_files_over_the_disk_limit_end_it(self, case: EngineCase) -> None:
        source = "import itertools\nfor i in itertools.count(): open(f'f{i}', 'wb').write(bytes(1_000_000))"
        assert case.run(case.python(source, disk_bytes=20 * MIB)).cause is EndCause.DISK_LIMIT

    def test_one_file_over_the_disk_limit_ends_it(self, case: EngineCase) -> None:
        source = "f = open('f', 'wb', 0)\nwhile True: f.write(bytes(1_000_000))"
        assert case.run(case.python(source, disk_bytes=20 * MIB)).cause is EndCause.DISK_LIMIT

    def test_files_deleted_but_open_count_as_disk(self, case: EngineCase) -> None:
        source = (
            "import os, time\nfiles = []\nfor i in range(9):\n"
            " files.append(open('f', 'wb', 0)); files[-1].write(bytes(5_000_000)); os.unlink('f')\ntime.sleep(600)"
        )
        assert case.run(case.python(source, disk_bytes=20 * MIB)).cause is EndCause.DISK_LIMIT

    def test_more_processes_than_the_limit_are_refused(self, case: EngineCase) -> None:
        """A bomb with a short fuse: 400 forks at most, so that an engine which fails this harms nobody."""
        source = (
            "import os, time\nmade = 0\n"
            "for _ in range(400):\n"
            "    try: child = os.fork()\n"
            "    except OSError: break\n"
            "    if child == 0: time.sleep(20); os._exit(0)\n"
            "    made += 1\n"
            "print('made', made, flush=True)\nif made < 60: os._exit(3)\ntime.sleep(20)"  # who counts takes a moment
        )
        end = case.run(case.python(source, max_processes=50, time_limit_seconds=60))
        assert (end.exit_code == 3) or end.cause is not EndCause.EXIT, end

    def test_libraries_are_told_how_many_threads_to_use(self, case: EngineCase) -> None:
        end = case.run(case.spec("sh", "-c", "echo $OMP_NUM_THREADS $OPENBLAS_NUM_THREADS", cpus=1.5))
        assert end.log_tail == "2 2\n"

    # ---- one tree, ended as a whole

    def test_what_a_process_leaves_behind_dies_with_it(self, case: EngineCase) -> None:
        spec = case.spec("sh", "-c", f"(setsid sh -c '{HEARTBEAT}' &); while ! test -e heartbeat; do sleep 0.01; done")
        assert case.run(spec).exit_code == 0
        assert_silent(spec)

    def test_stop_lets_a_process_end_in_order(self, case: EngineCase) -> None:
        command = "trap 'echo saved; exit 7' TERM; echo ready; while :; do sleep 0.02; done"
        process_id, _ = case.start_running("sh", "-c", command)
        until(lambda: "ready" in case.engine.logs(process_id).text)
        case.engine.stop(process_id, grace_seconds=PATIENCE_SECONDS)
        end = case.end(process_id)
        assert (end.cause, end.exit_code) == (EndCause.STOPPED, 7)
        assert "saved" in end.log_tail

    def test_stop_reaches_the_whole_process_group(self, case: EngineCase) -> None:
        command = "sh -c \"trap 'echo child; exit' TERM; echo ready; while :; do sleep 0.02; done\" & wait"
        process_id, _ = case.start_running("sh", "-c", f"trap : TERM; {command}; wait")
        until(lambda: "ready" in case.engine.logs(process_id).text)
        case.engine.stop(process_id, grace_seconds=PATIENCE_SECONDS)
        assert "child" in case.end(process_id).log_tail

    def test_stop_ends_a_process_that_will_not_after_the_grace_time(self, case: EngineCase) -> None:
        process_id, spec = case.start_running("sh", "-c", f"trap '' TERM; echo ready; {HEARTBEAT}")
        until(lambda: "ready" in case.engine.logs(process_id).text)
        begin = time.monotonic()
        case.engine.stop(process_id, grace_seconds=0.5)
        end = case.end(process_id)
        assert time.monotonic() - begin >= 0.5
        assert (end.cause, end.signal) == (EndCause.STOPPED, signal.SIGKILL)
        assert_silent(spec)

    def test_a_preempted_process_says_so(self, case: EngineCase) -> None:
        process_id, _ = case.start_running("sleep", "600")
        case.engine.stop(process_id, is_preemption=True)
        assert case.end(process_id).cause is EndCause.PREEMPTED

    def test_stop_right_after_submit_ends_it(self, case: EngineCase) -> None:
        process_id = case.start(case.spec("sleep", "600"))
        case.engine.stop(process_id, grace_seconds=0.2)
        assert case.end(process_id).cause is EndCause.STOPPED

    def test_stop_after_the_end_changes_nothing(self, case: EngineCase) -> None:
        process_id = case.start(case.spec("true"))
        end = case.end(process_id)
        case.engine.stop(process_id)
        assert case.engine.state(process_id).end == end

    # ---- records

    def test_a_running_process_is_described(self, case: EngineCase) -> None:
        process_id, _ = case.start_running("sleep", "600")
        state = case.engine.state(process_id)
        assert (state.status, state.end, state.sandbox) == (ProcessStatus.RUNNING, None, case.engine.sandbox_level())
        assert state.pid is not None
        assert state.started_at is not None
        assert case.engine.wait(process_id, 0.1).is_alive

    def test_submit_is_idempotent_while_it_runs_and_after_it_ended(self, case: EngineCase) -> None:
        spec = case.spec("sh", "-c", "echo x >> starts; sleep 0.3")
        process_id = case.start(spec)
        for _ in range(2):
            case.engine.submit(process_id, spec)
            case.open().submit(process_id, spec)
            case.end(process_id)
        assert Path(spec.work_directory, "starts").read_text() == "x\n"

    def test_submits_of_one_id_at_the_same_time_start_one_process(self, case: EngineCase) -> None:
        spec = case.spec("sh", "-c", "echo x >> starts; sleep 0.3")
        process_id = new_id("p")
        threads = [threading.Thread(target=case.open().submit, args=(process_id, spec)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        case.end(process_id)
        assert Path(spec.work_directory, "starts").read_text() == "x\n"

    def test_a_new_engine_sees_and_stops_old_processes(self, case: EngineCase) -> None:
        process_id, _ = case.start_running("sh", "-c", "echo hello; exec sleep 600")
        until(lambda: case.engine.logs(process_id).text != "")
        other = case.open()
        assert other.state(process_id).status is ProcessStatus.RUNNING
        assert other.logs(process_id).text == "hello\n"
        other.stop(process_id)
        assert case.end(process_id).cause is EndCause.STOPPED

    def test_a_killed_supervisor_is_a_lost_process_and_no_process_is_left(self, case: EngineCase) -> None:
        process_id, spec = case.start_running("sh", "-c", f"(setsid sh -c '{HEARTBEAT}' &); {HEARTBEAT}")
        until(Path(spec.work_directory, "heartbeat").exists)
        case.kill_supervisor(process_id)
        end = case.end(process_id)
        assert (end.cause, end.exit_code, end.signal) == (EndCause.LOST, None, None)
        assert case.open().state(process_id).end == end
        assert_silent(spec)

    def test_list_filters_by_labels_oldest_first(self, case: EngineCase) -> None:
        spec = case.spec("true")
        ids = [case.start(replace(spec, labels={"job": name, "kind": "t"})) for name in ("a", "b", "a")]
        assert [state.id for state in case.engine.list({"kind": "t"})] == ids
        assert [state.id for state in case.engine.list({"kind": "t", "job": "a"})] == [ids[0], ids[2]]
        assert list(case.engine.list({"kind": "u"})) == []
        assert case.engine.state(ids[1]).labels == {"job": "b", "kind": "t"}

    def test_remove_ends_and_forgets(self, case: EngineCase) -> None:
        process_id, spec = case.start_running("sh", "-c", HEARTBEAT)
        case.engine.remove(process_id)
        assert_silent(spec)
        assert process_id not in [state.id for state in case.engine.list()]
        case.engine.remove(process_id)  # no effect
        for call in (case.engine.state, case.engine.stop, case.engine.logs):
            with pytest.raises(ProcessNotFoundError):
                call(process_id)
        with pytest.raises(ProcessNotFoundError):
            case.engine.wait(process_id, 0)

    def test_reap_leaves_recorded_processes_alone(self, case: EngineCase) -> None:
        process_id, _ = case.start_running("sleep", "600")
        assert list(case.open().reap()) == []
        assert case.engine.state(process_id).status is ProcessStatus.RUNNING

    # ---- output and environment

    def test_logs_are_read_by_offset_while_it_runs(self, case: EngineCase) -> None:
        process_id = case.start(
            case.python("import time\nfor i in range(20): print(f'zeile {i} ä€'); time.sleep(0.02)")
        )
        text, offset = "", 0
        while True:
            is_over = not case.engine.state(process_id).is_alive
            chunk = case.engine.logs(process_id, offset, limit=7)
            text, offset = text + chunk.text, chunk.next_offset
            if is_over and not chunk.text:
                break
        assert text == "".join(f"zeile {i} ä€\n" for i in range(20))

    def test_output_that_is_no_text_is_readable_all_the_same(self, case: EngineCase) -> None:
        process_id = case.start(case.python(r"import os; os.write(1, b'\xff\xfe ok \xe2\x82')"))
        case.end(process_id)
        assert " ok " in case.engine.logs(process_id).text

    def test_only_the_given_environment_is_inherited(self, case: EngineCase, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
        spec = replace(case.spec("sh", "-c", "env; pwd"), environment={"GIVEN": "yes"})
        lines = case.run(spec).log_tail.splitlines()
        assert "GIVEN=yes" in lines
        assert {f"HOME={spec.work_directory}", "USER=modelyard"} <= {*lines}, "no file names the user"
        assert lines[-1] == spec.work_directory
        assert not [line for line in lines if "hunter2" in line]

    def test_a_unix_socket_in_a_writable_mount_is_reached_from_outside_without_network(self, case: EngineCase) -> None:
        folder = Path(case.spec("true").work_directory)
        source = (
            "import socket\ns = socket.socket(socket.AF_UNIX); s.bind('s'); s.listen()\n"
            "c, _ = s.accept(); c.sendall(c.recv(9)[::-1])"
        )
        spec = replace(case.python(f"import os; os.chdir({str(folder)!r})\n{source}"))
        case.start(replace(spec, mounts=(Mount(path=str(folder), is_writable=True),)))
        until((folder / "s").exists)
        descriptor = os.open(folder, os.O_PATH)
        short = f"/proc/self/fd/{descriptor}/s"  # the folder's own path may be longer than a socket's may be
        try:
            with socket.socket(socket.AF_UNIX) as client:
                until(lambda: client.connect_ex(short) == 0)
                client.sendall(b"abc")
                assert client.recv(9) == b"cba"
        finally:
            os.close(descriptor)

    def test_the_platforms_package_is_importable(self, case: EngineCase) -> None:
        assert case.run(case.python("import modelyard.types.processes, numpy")).exit_code == 0


class FencedEngineConformance(EngineConformance):
    """What an engine with a sandbox around files and network must do as well."""

    def test_nothing_is_written_outside_the_own_folders(self, case: EngineCase) -> None:
        neighbour = Path(case.spec("true").work_directory)
        (neighbour / "file").write_text("mine")
        places = [str(neighbour), str(neighbour.parent), "/usr", "/etc", "/var", str(Path(os.__file__).parent)]
        process_id = case.start(case.spec("sh", "-c", f"for p in {' '.join(places)}; do echo x > $p/broke-out; done"))
        case.end(process_id)
        assert not [place for place in places if Path(place, "broke-out").exists()]
        end = case.run(case.spec("sh", "-c", f"echo y > {neighbour}/file; rm -f {neighbour}/file"))
        assert end.exit_code == 0 or "nied" in end.log_tail or "only" in end.log_tail or "such" in end.log_tail
        assert (neighbour / "file").read_text() == "mine"

    def test_secrets_and_other_processes_folders_cannot_be_read(self, case: EngineCase) -> None:
        neighbour = case.spec("true")
        own_file = Path(neighbour.work_directory, "data")
        own_file.write_text("TOPSECRET")
        assert case.secrets
        for path in (*case.secrets, own_file, Path("/etc/shadow")):
            assert path.exists()
            end = case.run(case.spec("cat", str(path)))
            assert end.exit_code not in (0, None), f"{path} was readable"
            assert "TOPSECRET" not in end.log_tail

    def test_a_read_only_mount_is_read_and_not_written(self, case: EngineCase) -> None:
        folder = Path(case.spec("true").work_directory)
        (folder / "data").write_text("content")
        command = f"cat {folder}/data; echo x > {folder}/new; rm {folder}/data; true"
        spec = replace(case.spec("sh", "-c", command), mounts=(Mount(path=str(folder)),))
        assert case.run(spec).log_tail.startswith("content")
        assert [path.name for path in folder.iterdir()] == ["data"]

    def test_a_writable_mount_is_written(self, case: EngineCase) -> None:
        folder = Path(case.spec("true").work_directory)
        spec = replace(
            case.spec("sh", "-c", f"echo x > {folder}/new"), mounts=(Mount(path=str(folder), is_writable=True),)
        )
        assert case.run(spec).exit_code == 0
        assert (folder / "new").read_text() == "x\n"

    def test_there_is_no_network_unless_asked_for(self, case: EngineCase) -> None:
        with _listener() as (tcp_port, udp):
            source = (
                "import socket, sys\nreached = 0\n"
                f"for kind, port in ((socket.SOCK_STREAM, {tcp_port}), (socket.SOCK_DGRAM, {udp.getsockname()[1]})):\n"
                " try:\n  s = socket.socket(socket.AF_INET, kind); s.settimeout(2); s.connect(('127.0.0.1', port))\n"
                "  s.send(b'hello'); reached += 1\n"
                " except OSError as e: print(e)\n"
                "sys.exit(reached)"
            )
            case.run(case.python(source))
            with pytest.raises(TimeoutError):
                udp.recv(9)
            assert case.run(replace(case.python(source), has_network=True)).exit_code == 2
            assert udp.recv(9) == b"hello"

    def test_processes_outside_cannot_be_signalled_or_looked_at(self, case: EngineCase) -> None:
        source = (
            f"import os\ntry: os.kill({os.getpid()}, 0); print('SIGNALLED')\nexcept OSError: pass\n"
            f"try: print(open('/proc/{os.getpid()}/environ').read(), 'READ')\nexcept OSError: pass"
        )
        tail = case.run(case.python(source)).log_tail
        assert "SIGNALLED" not in tail
        assert "READ" not in tail

    def test_it_is_not_root_and_cannot_become_it(self, case: EngineCase) -> None:
        tail = case.run(case.spec("sh", "-c", "id -u; grep NoNewPrivs /proc/self/status")).log_tail
        assert int(tail.splitlines()[0]) != 0
        assert tail.split()[-1] == "1"

    def test_its_temporary_folder_is_private(self, case: EngineCase) -> None:
        name = new_id("tmp")
        end = case.run(case.python(f"import tempfile, os\nopen(os.path.join(tempfile.gettempdir(), {name!r}), 'w')"))
        assert end.exit_code == 0
        assert not Path("/tmp", name).exists()
        assert case.run(
            case.python(f"import tempfile, os\nos.stat(os.path.join(tempfile.gettempdir(), {name!r}))")
        ).exit_code


def home_with_secrets(root: Path) -> tuple[Home, tuple[Path, ...], Path]:
    """A state directory, the files in it that no process may read, and a folder for work directories."""
    home, work = Home(root / "home"), root / "work"
    home.create()
    secrets = (home.token, home.root / "modelyard.db")
    for secret in secrets:
        secret.write_text("TOPSECRET")
        secret.chmod(0o600)
    work.mkdir()
    return home, secrets, work


def until(condition: Callable[[], bool], patience_seconds: float = PATIENCE_SECONDS) -> None:
    """Wait for a condition.

    Raises:
        AssertionError: it did not come true in time.
    """
    deadline = time.monotonic() + patience_seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.01)


def assert_silent(spec: ProcessSpec) -> None:
    """Nothing writes to the heartbeat file any more."""
    path = Path(spec.work_directory, "heartbeat")
    size = path.stat().st_size if path.exists() else 0
    time.sleep(0.3)
    assert (path.stat().st_size if path.exists() else 0) == size, "something is still alive"


@contextmanager
def _listener() -> Iterator[tuple[int, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        udp.settimeout(0.3)
        yield tcp.getsockname()[1], udp
