"""A reservation on a cluster of one node: its capacity is kept free, a gang runs in it, and images do not run there."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from modelyard.errors import InvalidInputError, ModelyardError
from modelyard.sdk.client import Client
from modelyard.settings import Home
from modelyard.testing.programs import Program, until
from modelyard.types.compute.scheduling import Placement
from modelyard.types.jobs import JobStatus
from modelyard.types.processes import NodeChoice, Resources

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
MEMORY_BYTES = 200 << 20
SHORT = Resources(cpus=3, memory_bytes=MEMORY_BYTES, time_limit_seconds=60)
GREET = """
import os, socket
rank, address = int(os.environ["RANK"]), (os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]))
if rank == 0:
    with socket.create_server(address) as server:
        server.accept()[0].sendall(b"hello")
else:
    for attempt in range(600):
        try:
            print("it said", socket.create_connection(address, 5).recv(9).decode())
            break
        except OSError:
            __import__("time").sleep(0.1)
"""


@pytest.fixture(scope="module")
def client(one_node: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    head = (one_node.run / "cluster" / "head").read_text()
    environment = {"RAY_AUTH_TOKEN_PATH": str(one_node.root / "cluster.token")}
    options = ("modelyard.server.up", "--port", "0", "--engine", "ray", "--ray-address", head)
    platform = Program(tmp_path_factory.mktemp("r") / "h", *options, environment=environment)
    try:
        with Client(platform.start().ready(), platform.token) as client:
            client.projects.allow_code("default", "a test")
            yield client
    finally:
        platform.end()


def test_a_reservation_on_the_node_keeps_its_capacity_and_a_gang_runs_in_it(client: Client, tmp_path: Path):
    (tmp_path / "hold.py").write_text("print('held', flush=True)\n")
    (tmp_path / "greet.py").write_text(GREET)
    now = datetime.now(UTC)
    with pytest.raises(InvalidInputError, match="8 on the largest host"):
        client.reservations.create(now + timedelta(hours=1), now + timedelta(hours=2), cpus=9)
    reserved = client.reservations.create(
        now + timedelta(seconds=20), now + timedelta(hours=1), cpus=6, memory_bytes=2 * MEMORY_BYTES
    )
    outside = client.jobs.run(tmp_path / "hold.py", resources=SHORT)
    assert outside.schedule is not None
    member = Resources(cpus=3, memory_bytes=MEMORY_BYTES, time_limit_seconds=60, placement=NodeChoice.SAME_NODE)
    inside = Placement(reservation=reserved.id, memory_bytes=MEMORY_BYTES)
    gang = client.jobs.run(tmp_path / "greet.py", hosts=2, resources=member, placement=inside, wait=True)
    assert gang.status is JobStatus.COMPLETED
    waiting = client.jobs.get(outside.id)
    assert waiting.status is JobStatus.PENDING
    client.reservations.cancel(reserved.id)
    until(lambda: client.jobs.get(outside.id).status is JobStatus.COMPLETED, "the job outside")


def test_images_and_gangs_of_them_are_refused_with_where_they_run(client: Client):
    for hosts in (1, 2):
        with pytest.raises(ModelyardError) as refused:
            client.jobs.run(image="trainer:1", hosts=hosts, resources=SHORT)
        assert refused.value.hint
