"""Processes from images: what they bring, what they may do, what is said when they cannot run."""

import socket
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from modelyard.engines.choice import open_engine
from modelyard.engines.containers.engine import ContainerEngine
from modelyard.engines.containers.pulling import ImageNotFoundError, ImagePullFailedError
from modelyard.engines.containers.sockets import ContainersUnavailableError, open_client
from modelyard.engines.local.engine import LocalEngine
from modelyard.errors import InvalidInputError
from modelyard.kit.ids import new_id
from modelyard.settings import Home, Settings
from modelyard.testing.engine import MIB, EngineCase, until
from modelyard.testing.services.containers import Podman
from modelyard.types.processes import (
    EndCause,
    EngineKind,
    Mount,
    ProcessSpec,
    ProcessStatus,
    Resources,
    SandboxLevel,
    Sidecar,
)

pytestmark = pytest.mark.slow


def names(podman: Podman) -> list[str]:
    with closing(open_client(podman.socket)) as client:
        return [str(container.name) for container in client.containers.list(all=True)]


def test_an_image_runs_what_it_says_with_what_it_brings(case: EngineCase, busybox: str, podman: Podman):
    assert case.run(replace(case.spec(), image=busybox)).log_tail == "the image says so\n"
    spec = replace(case.spec("sh", "-c", "env; id -u; pwd"), image=busybox, environment={"GIVEN": "yes"})
    lines = case.run(spec).log_tail.splitlines()
    assert {"FROM_THE_IMAGE=yes", "GIVEN=yes", f"HOME={spec.work_directory}"} <= set(lines)
    assert (lines[-2] != "0", lines[-1]) == (True, spec.work_directory)
    assert names(podman) == []


def test_a_container_has_no_rights_and_nothing_to_write_to_but_what_it_was_given(case: EngineCase, busybox: str):
    command = (
        "grep -E 'CapEff|CapBnd|NoNewPrivs|Seccomp:' /proc/self/status; for p in / /etc /bin /opt /proc /sys; do "
        "(echo x > $p/broke-out) 2>/dev/null && echo WROTE $p; done; echo kept > result; echo gone > /tmp/file"
    )
    spec = replace(case.spec("sh", "-c", command), image=busybox)
    tail = case.run(spec).log_tail
    words = dict(line.split(":\t") for line in tail.splitlines() if ":\t" in line)
    assert (int(words["CapEff"], 16), int(words["CapBnd"], 16)) == (0, 0)
    assert (words["NoNewPrivs"], words["Seccomp"]) == ("1", "2")
    assert "WROTE" not in tail
    assert Path(spec.work_directory, "result").read_text() == "kept\n"


def test_inputs_and_outputs_are_where_the_image_looks_for_them(case: EngineCase, busybox: str):
    data, model = (Path(case.spec("true").work_directory) for _ in range(2))
    (data / "rows.csv").write_text("1,2\n")
    mounts = (
        Mount(path=str(data), target="/opt/ml/input/data/train"),
        Mount(path=str(model), target="/opt/ml/model", is_writable=True),
    )
    command = "cat /opt/ml/input/data/train/rows.csv > /opt/ml/model/copy; echo x > /opt/ml/input/data/train/y"
    end = case.run(replace(case.spec("sh", "-c", command), image=busybox, mounts=mounts))
    assert end.exit_code == 1
    assert (model / "copy").read_text() == "1,2\n"
    assert [path.name for path in data.iterdir()] == ["rows.csv"]


def test_a_program_that_the_image_does_not_have_is_a_failed_start_and_leaves_no_container(
    case: EngineCase, busybox: str, podman: Podman
):
    end = case.run(replace(case.spec("no-such-program"), image=busybox))
    assert (end.cause, end.exit_code) == (EndCause.START_FAILED, None)
    assert "no-such-program" in end.message
    assert names(podman) == []


def test_an_image_that_hears_no_sigterm_is_ended_after_the_grace_time(case: EngineCase, busybox: str):
    process_id = case.start(replace(case.spec("sleep", "600"), image=busybox))
    until(lambda: case.engine.state(process_id).status is ProcessStatus.RUNNING)
    case.engine.stop(process_id, grace_seconds=0.3)
    end = case.end(process_id)
    assert (end.cause, end.signal) == (EndCause.STOPPED, 9)


def test_a_sidecar_shares_the_loopback_and_the_fate_of_its_process(case: EngineCase, busybox: str, podman: Podman):
    sidecar = Sidecar(image=busybox, command=("sh", "-c", "echo beside; exit 3"))
    end = case.run(replace(case.spec("sleep", "600"), sidecar=sidecar))
    assert (end.cause, end.exit_code) == (EndCause.EXIT, 3)
    assert "beside it ended first" in end.message
    assert "beside" in end.log_tail
    end = case.run(replace(case.spec("sleep", "3"), sidecar=Sidecar(image=busybox, command=("sleep", "600"))))
    assert (end.cause, end.exit_code) == (EndCause.EXIT, 0)
    assert names(podman) == []


def test_memory_of_a_sidecar_is_named(case: EngineCase, busybox: str):
    eats = Sidecar(
        image=busybox,
        command=("sh", "-c", "x=0123456789abcdef; while :; do x=$x$x; done"),
        resources=Resources(memory_bytes=60 * MIB),
    )
    end = case.run(replace(case.spec("sleep", "600"), sidecar=eats))
    assert end.cause is EndCause.OUT_OF_MEMORY, end
    assert "60 MiB" in end.message


def test_an_image_that_is_not_here_is_refused_before_there_is_a_record(case: EngineCase, podman: Podman):
    spec = replace(case.spec("true"), image="localhost/nobody/has-this:1")
    with pytest.raises(ImageNotFoundError, match="nobody/has-this"):
        case.engine.submit("p-absent", spec)
    assert list(case.engine.list()) == []
    pulls = ContainerEngine(Home(case.folder.parent / "home"), socket=podman.socket)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(ImagePullFailedError, match="could not be pulled"):
        pulls.submit("p-far", replace(spec, image=f"127.0.0.1:{port}/far/away:1"))


def test_a_reference_means_one_content(case: EngineCase, busybox: str):
    digest = case.engine.resolve_image(busybox)
    assert digest.startswith("sha256:")
    assert case.engine.resolve_image(digest) == digest
    assert case.run(replace(case.spec(), image=digest)).exit_code == 0


def test_a_container_without_a_record_is_reaped(case: EngineCase, busybox: str, podman: Podman):
    process_id = case.start(replace(case.spec("sleep", "600"), image=busybox))
    until(lambda: case.engine.state(process_id).status is ProcessStatus.RUNNING)
    case.engine._records.delete(process_id)  # as if its folder had been lost
    until(lambda: not case.engine.reap() and not names(podman))


def test_a_daemon_that_is_restarted_loses_nothing(case: EngineCase, busybox: str, podman: Podman):
    """Podman's containers live without its service; the supervisor waits until it answers again."""
    process_id = case.start(
        replace(case.spec("sh", "-c", "while ! test -e go; do sleep 0.1; done; exit 5"), image=busybox)
    )
    until(lambda: case.engine.state(process_id).status is ProcessStatus.RUNNING)
    with podman.interrupted():
        time.sleep(1)
        assert case.engine.state(process_id).status is ProcessStatus.RUNNING
    Path(case.engine._records.record(process_id).spec.work_directory, "go").touch()
    end = case.end(process_id)
    assert (end.cause, end.exit_code) == (EndCause.EXIT, 5)


def test_without_a_daemon_it_says_what_to_start(tmp_path: Path):
    engine = ContainerEngine(Home(tmp_path / "home"), socket=f"unix://{tmp_path}/nobody.sock")
    spec = ProcessSpec(command=("true",), work_directory=str(tmp_path / "work"))
    (tmp_path / "work").mkdir()
    with pytest.raises(ContainersUnavailableError, match="does not answer") as refused:
        engine.submit("p-1", spec)
    assert "MODELYARD_CONTAINER_SOCKET" in refused.value.hint


def test_each_process_runs_where_it_asks_to(podman: Podman, busybox: str, tmp_path: Path):
    home = Home(tmp_path / "home")
    home.create()
    engine = open_engine(Settings(home=home.root, container_socket=podman.socket))
    work = tmp_path / "work"
    work.mkdir()
    plain = ProcessSpec(command=("true",), work_directory=str(work))
    wanted = {
        "plain": (plain, False),
        "asked": (replace(plain, engine=EngineKind.CONTAINER), True),
        "image": (replace(plain, image=busybox), True),
    }
    for name, (spec, _) in wanted.items():
        engine.submit(name, spec)
        assert engine.wait(name, 60).end is not None
    levels = {state.id: state.sandbox is SandboxLevel.CONTAINER for state in engine.list()}
    assert levels == {name: is_container for name, (_, is_container) in wanted.items()}
    for name in wanted:
        engine.remove(name)
    assert not list(engine.list())
    with pytest.raises(InvalidInputError, match="runs no images"):
        LocalEngine(home).submit(new_id("p"), replace(plain, image=busybox))
