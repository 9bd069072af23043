"""Gangs of an image: a container for each member, a network of their own, one end. With a real Podman."""

import os
import signal
import socket
from collections.abc import Sequence
from dataclasses import replace

import pytest

from modelyard.control.jobs.gangs.images import image_members
from modelyard.engines.base import Engine
from modelyard.engines.containers.engine import ContainerEngine
from modelyard.errors import InvalidInputError
from modelyard.testing.engine import EngineCase
from modelyard.testing.services.containers import Podman, python_root
from modelyard.types.processes import EndCause, ProcessSpec, ProcessStatus, Resources

pytestmark = pytest.mark.slow
IMAGE = "localhost/test/gang:1"
PATIENCE_SECONDS = 60.0
PROGRAM = """
import os, signal, socket, sys, time

rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
master = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
what = sys.argv[1]

def connected(address):
    while True:
        try:
            return socket.create_connection(address, 5)
        except OSError:
            time.sleep(0.05)

def meet():
    own = socket.create_server((os.environ["MODELYARD_ADDRESS"], 8080))  # the same port for each
    if rank == 0:
        server = socket.create_server(master)
        members = [server.accept()[0] for _ in range(size - 1)]
        told = sorted(int(member.recv(9)) for member in members)
        for member in members:
            member.sendall(b"all here")
    else:
        with connected(master) as member:
            member.sendall(b"%d" % rank)
            told = member.recv(9).decode()
    print("met", told, [name for _, name in socket.if_nameindex()], flush=True)

if what == "meet":
    meet()
    try:
        socket.create_connection(("127.0.0.1", int(sys.argv[2])), 2)
        print("REACHED THE MACHINE")
    except OSError:
        print("nobody else is there")
elif what == "fail":
    meet()
    if rank == 1:
        sys.exit(3)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(print("was asked to end", flush=True)))
    time.sleep(600)
elif what == "fail-slowly":
    meet()
    if rank == 1:
        sys.exit(3)
    signal.signal(signal.SIGTERM, lambda *_: print("does not listen", flush=True))
    while True:
        time.sleep(600)
elif what == "wait":
    print("waits", flush=True)
    time.sleep(600)
"""


@pytest.fixture(scope="module")
def image(podman: Podman) -> str:
    podman.load(IMAGE, python_root({"gang.py": PROGRAM}), 'ENTRYPOINT ["/usr/bin/python3", "/gang.py"]')
    return IMAGE


def gang(case: EngineCase, image: str, *command: str, count: int = 2) -> ProcessSpec:
    limits = Resources(memory_bytes=count * (128 << 20), max_processes=32 * count)
    return replace(case.spec(*command), image=image, resources=limits, members=image_members(count))


def containers(podman: Podman) -> Sequence[str]:
    return podman.command("ps", "--all", "--quiet").split()


def said(engine: Engine, process_id: str, words: str, count: int) -> None:
    """Wait until so many of its members have said it."""
    for _ in range(600):
        if engine.state(process_id).status is ProcessStatus.ENDED or engine.logs(process_id).text.count(words) == count:
            return
        engine.wait(process_id, 0.1)
    raise AssertionError(engine.logs(process_id).text)


def test_members_reach_each_other_and_nobody_else(case: EngineCase, image: str, podman: Podman):
    with socket.create_server(("127.0.0.1", 0)) as server:
        end = case.run(gang(case, image, "meet", str(server.getsockname()[1]), count=3))
    assert (end.cause, end.exit_code) == (EndCause.EXIT, 0), end
    lines = sorted(end.log_tail.splitlines())
    assert [line for line in lines if " met " in line] == [
        "[0] met [1, 2] ['lo']",
        "[1] met all here ['lo']",
        "[2] met all here ['lo']",
    ]
    assert sum("nobody else is there" in line for line in lines) == 3
    assert end.cpu_seconds is not None
    assert containers(podman) == []


def test_the_first_to_fail_ends_the_others_and_the_end_says_which_it_was(case: EngineCase, image: str):
    end = case.run(gang(case, image, "fail"))
    assert (end.cause, end.exit_code) == (EndCause.EXIT, 3)
    assert end.message == "Rank 1 of 2: It ended with exit code 3. The others were ended with it."
    assert "[0] was asked to end" in end.log_tail


def test_a_request_to_stop_while_the_others_are_being_ended_does_not_become_the_cause(case: EngineCase, image: str):
    process_id = case.start(gang(case, image, "fail-slowly"))
    said(case.engine, process_id, "does not listen", 1)
    case.engine.stop(process_id, grace_seconds=1)
    end = case.end(process_id)
    assert (end.cause, end.exit_code) == (EndCause.EXIT, 3), end


def test_if_one_cannot_start_none_runs(case: EngineCase, image: str, podman: Podman):
    spec = gang(case, image, "wait")
    first, second = spec.members
    broken = replace(second, environment={**second.environment, "": "no name at all"})
    end = case.run(replace(spec, members=(first, broken)))
    assert end.cause is EndCause.START_FAILED, end
    assert containers(podman) == []


def test_a_gang_is_stopped_as_one_and_its_containers_go_when_nobody_watches_them(
    case: EngineCase, image: str, podman: Podman
):
    stopped, orphaned = case.start(gang(case, image, "wait")), case.start(gang(case, image, "wait"))
    for each in (stopped, orphaned):
        said(case.engine, each, "waits", 2)
    assert len(containers(podman)) == 6
    case.engine.stop(stopped, grace_seconds=1)
    assert case.end(stopped).cause is EndCause.STOPPED
    assert isinstance(case.engine, ContainerEngine)
    supervisor = case.engine._records.holder(orphaned)
    assert supervisor is not None
    os.kill(supervisor, signal.SIGKILL)
    assert case.end(orphaned).cause is EndCause.LOST
    case.engine.remove(orphaned)
    assert containers(podman) == []


def test_only_an_image_has_members(case: EngineCase):
    with pytest.raises(InvalidInputError, match="has members"):
        case.start(replace(case.spec("true"), members=image_members(2)))
