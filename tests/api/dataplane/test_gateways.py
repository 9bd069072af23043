"""Two gateways at one port, as processes: what was one's is both's, and its own callers alone feel the end of one."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest

from modelyard.dataplane.captures import closed_segments, read_segment
from modelyard.dataplane.demand import DemandFollower
from modelyard.testing.scripted_model import AUTHORIZATION, body, start_scripted
from modelyard.testing.serving import Serving, WorkerProcess, endpoint, token, variant

ANSWERED = re.compile(r'modelyard_inference_requests_total\{endpoint="echo",project="default",variant="main"\} (\d+)')


class Connection:
    """A connection that stays with the gateway that accepted it."""

    def __init__(self, serving: Serving) -> None:
        self._http = http.client.HTTPConnection("127.0.0.1", serving.port, timeout=30)
        self._http.connect()
        self.get("/v2/health/live")

    @property
    def local_port(self) -> int:
        port: int = self._http.sock.getsockname()[1]
        return port

    def infer(self, value: float, secret: str = "", seconds: float = 0.0) -> tuple[int, dict[str, object]]:
        headers = {"Authorization": f"Bearer {secret}"} if secret else AUTHORIZATION
        self._http.request("POST", "/v2/models/echo/infer", body=body(value, seconds), headers=headers)
        response = self._http.getresponse()
        return response.status, json.loads(response.read())

    def value(self, value: float) -> float:
        status, answer = self.infer(value)
        assert status == 200, answer
        return float(answer["outputs"][0]["data"][0])  # type: ignore[index]

    def get(self, path: str) -> str:
        self._http.request("GET", path, headers=AUTHORIZATION)
        return self._http.getresponse().read().decode()

    def close(self) -> None:
        self._http.close()


class Pair:
    """Two gateways with a worker, and connections to each of them."""

    def __init__(self, serving: Serving) -> None:
        self.serving = serving
        self.worker = start_scripted(serving, "w-1")
        self.gateways = serving.start_gateways(2)
        serving.publish(endpoint("echo", variant(self.worker), capture_share=1.0))
        self.opened: list[Connection] = []

    def connections(self, number: int) -> tuple[list[Connection], list[Connection]]:
        """So many to the first gateway and so many to the second."""
        found: tuple[list[Connection], list[Connection]] = ([], [])
        for _ in range(200):
            if all(len(each) == number for each in found):
                return found
            connection = Connection(self.serving)
            self.opened.append(connection)
            mine = found[self._index_of(connection)]
            if len(mine) < number:
                mine.append(connection)
        raise AssertionError(f"all connections go to one gateway: {found}")

    def kill_first(self) -> None:
        self.gateways[0].kill()
        self.gateways[0].wait()

    def start_first_again(self) -> None:
        self.gateways[0] = self.serving.start_one_of(2, 1)

    def _index_of(self, connection: Connection) -> int:
        inode = _inode_of(self.serving.port, connection.local_port)
        return next(index for index, gateway in enumerate(self.gateways) if inode in _sockets_of(gateway))


def _inode_of(port: int, remote_port: int) -> str:
    """Of the server's end of a connection (proc(5), /proc/net/tcp)."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if [int(fields[i].rpartition(":")[2], 16) for i in (1, 2)] == [port, remote_port]:
            return f"socket:[{fields[9]}]"
    raise AssertionError(f"no connection from {remote_port} to {port}")


def _sockets_of(process: subprocess.Popen[bytes]) -> set[str]:
    return {str(path.readlink()) for path in Path(f"/proc/{process.pid}/fd").iterdir() if path.is_symlink()}


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with Serving(tmp_path) as serving:
        pair = Pair(serving)
        yield pair
        for connection in pair.opened:
            connection.close()


def eventually(look: object, seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if look():  # type: ignore[operator]
            return True
        time.sleep(0.05)
    return False


def asking(connection: Connection, until: threading.Event, answers: list[float], failures: list[Exception]) -> None:
    value = 0
    while not until.is_set():
        value += 1
        try:
            answers.append(connection.value(value) - value)
        except (OSError, http.client.HTTPException, AssertionError) as error:
            failures.append(error)
            return


def test_a_killed_gateway_fails_its_own_connections_alone_and_its_successor_serves_at_once(pair: Pair):
    first, second = pair.connections(2)
    done, answers = threading.Event(), [list[float]() for _ in range(4)]
    failures = [list[Exception]() for _ in range(4)]
    threads = [
        threading.Thread(target=asking, args=(connection, done, answers[index], failures[index]))
        for index, connection in enumerate([*first, *second])
    ]
    for thread in threads:
        thread.start()
    assert eventually(lambda: all(len(each) > 20 for each in answers))
    pair.kill_first()
    before = [len(each) for each in answers[2:]]
    pair.start_first_again()
    for value in range(20):  # whichever gateway gets it
        connection = Connection(pair.serving)
        assert connection.value(value) == value
        connection.close()
    assert eventually(lambda: all(len(now) > then + 20 for now, then in zip(answers[2:], before, strict=True)))
    done.set()
    for thread in threads:
        thread.join()
    assert [len(each) for each in failures] == [1, 1, 0, 0]
    assert {wrong for each in answers for wrong in each} == {0.0}
    pair.connections(1)  # the new one gets its share


def test_captures_of_both_are_complete_also_those_of_the_killed_one(pair: Pair):
    first, second = pair.connections(1)
    answered = {str(each.infer(1)[1]["id"]) for _ in range(10) for each in (*first, *second)}
    assert len(answered) == 20, "no id twice"
    time.sleep(0.3)  # longer than a tick: handed to the file, which is not closed yet
    pair.kill_first()
    pair.start_first_again()

    def captured() -> list[str]:
        return [each.id for path in closed_segments(pair.serving.spool) for each in read_segment(path)]

    assert eventually(lambda: len(captured()) >= 20)
    assert sorted(captured()) == sorted(answered)


def test_demand_is_that_of_all_living_gateways(pair: Pair):
    follower = DemandFollower(pair.serving.demand)
    first, second = pair.connections(1)
    for _ in range(3):
        first[0].value(1)
        second[0].value(2)
    assert eventually(lambda: follower.poll() and sum(sum(each.arrivals) for each in follower.variants) == 6)
    (found,) = follower.variants
    assert (found.ready_replicas, found.waiting, sum(point.batches for point in found.curve)) == (1, 0, 6)

    asleep = replace(variant(pair.worker), replicas=())
    pair.serving.publish(replace(endpoint("echo", asleep), is_on_demand=True))
    threads = [threading.Thread(target=_ask_in_vain, args=(each,)) for each in (*first, *second)]
    for thread in threads:
        thread.start()
    assert eventually(lambda: follower.poll() and follower.variants[0].waiting == 2)
    pair.kill_first()
    assert eventually(lambda: follower.poll() and follower.variants[0].waiting == 1), "nobody waits at a dead gateway"
    pair.serving.publish(endpoint("echo", variant(pair.worker)))
    for thread in threads:
        thread.join()


def _ask_in_vain(connection: Connection) -> None:
    try:
        connection.infer(1)
    except (OSError, http.client.HTTPException):
        return  # its gateway was killed


def test_figures_of_either_are_the_sum_and_never_fall_when_one_dies(pair: Pair):
    first, second = pair.connections(1)
    for _ in range(5):
        first[0].value(1)
        second[0].value(1)

    def shown(connection: Connection) -> int:
        found = ANSWERED.search(connection.get("/metrics"))
        return int(found[1]) if found else 0

    assert eventually(lambda: shown(first[0]) == shown(second[0]) == 10)
    text = second[0].get("/metrics")
    assert f"modelyard_gateway_connections {len(pair.opened)}.0" in text
    assert re.search(r"modelyard_inference_ready_replicas\{.*\} 1.0", text), "the one replica is not counted twice"
    first[0].value(1)
    assert shown(first[0]) == 11, "its own are always up to date"
    pair.kill_first()
    assert shown(second[0]) == 11, "what was shown once stays"
    pair.start_first_again()
    again, _ = pair.connections(1)
    again[0].value(1)
    assert shown(again[0]) == 12
    assert eventually(lambda: shown(second[0]) == 12)


def test_a_token_has_its_rate_once_and_not_at_each_gateway(pair: Pair):
    tokens = [token("slow", "my_slow", requests_per_second=20.0)]
    pair.serving.publish(endpoint("echo", variant(pair.worker)), tokens=tokens)
    first, second = pair.connections(1)
    started = time.monotonic()
    codes = [each.infer(1, "my_slow")[0] for _ in range(40) for each in (*first, *second)]
    allowed = 20 + 20 * (time.monotonic() - started)
    assert 20 <= codes.count(200) <= allowed + 1


def test_a_rate_that_is_used_up_stays_so_when_a_gateway_starts_anew(pair: Pair):
    tokens = [token("rare", "my_rare", requests_per_second=0.02)]
    pair.serving.publish(endpoint("echo", variant(pair.worker)), tokens=tokens)
    first, second = pair.connections(1)
    assert [first[0].infer(1, "my_rare")[0], second[0].infer(1, "my_rare")[0]] == [200, 429]
    pair.kill_first()
    pair.start_first_again()
    again, _ = pair.connections(1)
    assert again[0].infer(1, "my_rare")[0] == 429


def test_a_gateway_that_is_late_to_follow_loses_nothing_when_its_replica_ends(pair: Pair):
    first, second = pair.connections(1)
    assert first[0].value(1) == second[0].value(1) == 1
    successor: WorkerProcess = start_scripted(pair.serving, "w-2", "--offset", "10")
    os.kill(pair.gateways[0].pid, signal.SIGSTOP)
    asked = threading.Thread(target=lambda: late.append(first[0].value(2)))
    late: list[float] = []
    asked.start()
    pair.serving.publish(endpoint("echo", variant(successor, number=2)))
    assert pair.worker.terminate() == 0, "it waits for no gateway for ever"
    assert second[0].value(2) == 12
    os.kill(pair.gateways[0].pid, signal.SIGCONT)
    asked.join()
    assert late == [12]


def test_a_gateway_with_little_traffic_waits_for_a_few_batches_of_the_other_at_most(pair: Pair):
    seconds = 0.05
    first, second = pair.connections(8)
    done = threading.Event()

    def flood(connection: Connection) -> None:
        while not done.is_set():
            connection.infer(1, seconds=seconds)

    threads = [threading.Thread(target=flood, args=(each,)) for each in second]
    for thread in threads:
        thread.start()
    took = []
    for _ in range(9):
        started = time.monotonic()
        first[0].infer(2, seconds=seconds)
        took.append(time.monotonic() - started)
    done.set()
    for thread in threads:
        thread.join()
    assert median(took) < 6 * seconds, "twice what the other may have in flight, and its own"


def test_a_port_of_several_gateways_is_not_taken_by_one_that_does_not_share_it(pair: Pair):
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", pair.serving.port))
