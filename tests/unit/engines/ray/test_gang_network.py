"""The network of a gang without a cluster: how relays meet, what they carry, how a member waits for it and leaves."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from modelyard.algorithms.programs import member
from modelyard.engines.ray.gangs.meeting import Meeting, has_ended
from modelyard.engines.ray.gangs.relay import Relay
from modelyard.engines.ray.records import Record, Records
from modelyard.kit.handover import first_line, new_key
from modelyard.types.compute.gangs import Membership, address_of, rank_of
from modelyard.types.processes import EndCause, ProcessEnd, ProcessSpec, SandboxLevel

NAMES = ("job-1", "job-1-rank-1", "job-1-rank-2")
LOOPBACK = "127.0.0.1"


@pytest.fixture
def records(tmp_path: Path) -> Records:
    records = Records(tmp_path)
    for name in NAMES:
        spec = ProcessSpec(command=("true",), work_directory=str(tmp_path))
        key, now = new_key(), datetime.now(UTC)
        records.create(name, Record(spec=spec, sandbox=SandboxLevel.BUBBLEWRAP, key=key, created_at=now))
    return records


@pytest.fixture
def meetings(records: Records):
    """The connections of three members, by rank."""
    found: dict[int, dict[int, socket.socket]] = {}

    def meet(rank: int) -> None:
        found[rank] = Meeting(records, Membership(rank=rank, members=NAMES), LOOPBACK).hold()

    threads = [threading.Thread(target=meet, args=(rank,)) for rank in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    yield found
    for connections in found.values():
        for connection in connections.values():
            connection.close()


def test_every_member_has_one_connection_to_each_other(meetings):
    assert {rank: sorted(others) for rank, others in meetings.items()} == {0: [1, 2], 1: [0, 2], 2: [0, 1]}
    for rank, other in ((0, 1), (0, 2), (1, 2)):
        meetings[rank][other].sendall(b"x")
        assert meetings[other][rank].recv(1) == b"x"


def test_who_does_not_know_the_key_is_not_let_in(records):
    found: list[dict[int, socket.socket]] = []
    own = Membership(rank=0, members=NAMES[:2])
    thread = threading.Thread(target=lambda: found.append(Meeting(records, own, LOOPBACK).hold()))
    thread.start()
    deadline = time.monotonic() + 10
    while not (address := records.relay(NAMES[0])):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), 10) as stranger:
        stranger.sendall(first_line(new_key()) + bytes([1]))
        assert stranger.recv(1) == b""
    with socket.create_connection((host, int(port)), 10) as friend:
        friend.sendall(first_line(records.record(NAMES[0]).key) + bytes([1]))
        thread.join(10)
        assert [*found[0]] == [1]
        found[0][1].close()


def test_a_packet_goes_to_the_member_whose_address_it_names_and_to_nobody_else(meetings):
    interfaces, lost = {}, []
    for rank, connections in meetings.items():
        interfaces[rank], theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        interfaces[rank].settimeout(10)
        Relay(theirs.detach(), connections, lost.append).start()
    large = packet(2, b"p" * 50_000)
    for content in (packet(9, b"nobody"), b"\x60" + bytes(39), packet(2, b"first"), large):
        interfaces[0].send(content)
    assert interfaces[2].recv(1 << 16) == packet(2, b"first"), "what is nobody's, or no IPv4, was dropped"
    assert interfaces[2].recv(1 << 16) == large
    interfaces[1].setblocking(False)
    with pytest.raises(BlockingIOError):
        interfaces[1].recv(1)
    meetings[1][0].shutdown(socket.SHUT_RDWR)
    deadline = time.monotonic() + 10
    while sorted(lost) != [0, 1] and time.monotonic() < deadline:
        time.sleep(0.01)
    assert sorted(lost) == [0, 1], "both sides hear of the end of a connection"
    for each in interfaces.values():
        each.close()


def test_a_member_that_left_an_account_is_not_lost(records):
    assert not has_ended(records, NAMES[1], 0.05)
    records.settle(NAMES[1], ProcessEnd(cause=EndCause.EXIT, message="It ended normally.", exit_code=0))
    assert has_ended(records, NAMES[1], 5)


def test_addresses_and_ranks_belong_together():
    assert [rank_of(socket.inet_aton(address_of(rank))) for rank in (0, 63)] == [0, 63]
    assert rank_of(socket.inet_aton("10.99.0.1")) == -1


@pytest.mark.parametrize(
    ("words", "code"), [("import sys; sys.exit(3)", 3), ("import os; os.kill(os.getpid(), 9)", 137)]
)
def test_a_member_ends_as_its_command_does(words, code):
    command = [sys.executable, "-I", member.__file__, LOOPBACK, sys.executable, "-c", words]
    assert subprocess.run(command, timeout=30, check=False).returncode == code


def test_a_member_whose_network_does_not_come_does_not_run_and_can_be_stopped():
    command = [sys.executable, "-I", member.__file__, address_of(0), sys.executable, "-c", "print('ran')"]
    waiting = subprocess.Popen(command, stdout=subprocess.PIPE)
    time.sleep(0.5)
    assert waiting.poll() is None
    os.kill(waiting.pid, signal.SIGTERM)
    output, _ = waiting.communicate(timeout=10)
    assert (output, waiting.returncode) == (b"", -signal.SIGTERM)


def packet(rank: int, content: bytes) -> bytes:
    """An IPv4 packet for a member; only what a relay looks at is in its header."""
    return b"\x45" + bytes(15) + socket.inet_aton(address_of(rank)) + content
