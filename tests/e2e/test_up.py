"""`modelyard up` and `modelyard serve` as programs: what they print, what survives, what they refuse."""

import json
import os
import signal
import socket
import ssl
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import httpx
import numpy as np
import pytest
from onnx import TensorProto, helper

from modelyard.errors import UnavailableError
from modelyard.sdk.client import Client
from modelyard.testing.programs import Program, processes_of, until
from modelyard.types.access import Role
from modelyard.types.compute.scheduling import Placement
from modelyard.types.endpoints import EndpointStatus
from modelyard.types.jobs import JobStatus

pytestmark = pytest.mark.slow
UP, SERVE = "modelyard.server.up", "modelyard.server.serve"
INVALID, CONFLICT = 2, 5  # exit codes, as docs/reference/cli.md has them
ROW = np.array([[1.0, 2.0]], np.float32)


def sum_of_columns(path: Path) -> Path:
    """An ONNX model that adds its two inputs."""
    weights = helper.make_tensor("w", TensorProto.FLOAT, [2, 1], [1.0, 1.0])
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "sum",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])],
        [weights],
    )
    path.write_bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()
    )
    return path


class Running:
    """A platform with a model at an endpoint."""

    def __init__(self, program: Program, folder: Path) -> None:
        self.program = program
        self.url = program.start("--port", "0").ready()
        self.health = httpx.get(f"{self.url}/v2/health/ready").status_code  # at once: that is what the line promises
        self.first_output = program.output()
        self.token = program.token
        with self.client() as client:
            client.models.register("sum", sum_of_columns(folder / "sum.onnx"))
            client.endpoints.deploy("sum", "sum", wait=True, timeout_seconds=120)
            self.secret = client.tokens.create("reader", Role.VIEWER, project="default").secret

    def client(self) -> Client:
        return Client(self.url, self.token)

    def pid(self, name: str) -> int | None:
        """Of control or gateway, as the supervisor writes it down."""
        pid: int | None = json.loads((self.program.home / "run" / "platform.json").read_bytes())["processes"][name]
        return pid

    def address(self) -> dict[str, object]:
        """Of the gateway, with the ports that the system chose."""
        address: dict[str, object] = json.loads((self.program.home / "run" / "gateway.json").read_bytes())
        return address

    def answer(self) -> list[object]:
        with self.client() as client:
            return client.predict("sum", ROW).labels

    def has_control(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", timeout=2).status_code == 200
        except httpx.TransportError:
            return False


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("up")
    program = Program(folder / "home", UP)
    try:
        yield Running(program, folder)
    finally:
        program.end()


def refusal(program: Program, *options: str, exit_code: int = INVALID) -> str:
    """What a program says that ends at once."""
    program.start(*options)
    assert program.process.wait(120) == exit_code, program.output()
    assert "Traceback" not in program.output()
    return program.output()


def test_the_first_start_shows_the_token_and_is_ready_from_the_ready_line_on(running: Running):
    assert running.health == 200
    assert running.first_output.count(running.token) == 1
    assert stat.S_IMODE((running.program.home / "admin.token").stat().st_mode) == 0o600
    assert stat.S_IMODE(running.program.home.stat().st_mode) == 0o700
    assert running.first_output.splitlines()[-1].startswith(f"Modelyard is ready at {running.url}")
    assert running.answer() == [3.0]


def test_a_second_platform_in_the_same_state_directory_is_refused(running: Running, programs: Callable[..., Program]):
    second = Program(running.program.home, UP)
    second.log = running.program.log.with_name("second.log")
    words = refusal(second, "--port", "0", exit_code=CONFLICT)
    assert f"Modelyard already runs in this state directory (process {running.program.process.pid}" in words
    assert running.answer() == [3.0]


def test_models_answer_while_control_is_frozen_and_while_it_is_started_again(running: Running):
    control = running.pid("control")
    os.kill(control, signal.SIGSTOP)
    try:
        assert running.answer() == [3.0]
        assert httpx.get(f"{running.url}/v2/health/ready").status_code == 200
    finally:
        os.kill(control, signal.SIGCONT)
    until(running.has_control, "control to answer again")

    os.kill(control, signal.SIGKILL)
    assert running.answer() == [3.0]
    headers = {"Authorization": f"Bearer {running.token}"}
    while_away = httpx.get(f"{running.url}/registry/v1/whoami", headers=headers)
    assert (while_away.status_code, while_away.json()["code"]) == (503, "control_unavailable")
    assert "Retry-After" in while_away.headers
    until(lambda: running.pid("control") not in (control, None) and running.has_control(), "another control")
    with running.client() as client:
        assert client.endpoints.get("sum").status is EndpointStatus.READY
    assert "control ended with code -9; starting it again" in running.program.output()


def test_a_kill_of_control_loses_no_waiting_job_runs_none_twice_and_keeps_their_order(running: Running, tmp_path: Path):
    table = tmp_path / "houses.csv"
    table.write_text("rooms,price\n" + "".join(f"{number % 7},{number % 7 * 3}\n" for number in range(200)))
    with running.client() as client:
        client.datasets.upload("houses", table)
        host = next(iter(client.queues.hosts()))
        client.queues.set_host(replace(host, jobs=1))

        def train(**placement: object) -> str:
            job = client.jobs.train(
                "linear-regression", "houses", target="price", model="houses", placement=Placement(**placement)
            )
            return str(job.id)

        first, held, second, third = train(), train(is_held=True), train(), train()
        urgent, moved = train(priority=5), train()
        client.jobs.move(moved, before=third)
        order = [first, urgent, second, moved, third]
        until(lambda: client.jobs.get(first).status is JobStatus.RUNNING, "the first job to run", 60)
        line = [each.job for each in client.queues.jobs("default")]
        assert [each for each in line if each != held] == order

        control = running.pid("control")
        assert control is not None
        os.kill(control, signal.SIGKILL)
        until(lambda: running.pid("control") not in (control, None) and running.has_control(), "another control")
        assert client.jobs.get(held).schedule.is_held
        until(lambda: client.jobs.get(third).ended_at is not None, "the last job to end", 180)
        assert client.jobs.get(held).started_at is None
        client.jobs.release(held)
        done = [*[client.jobs.get(each) for each in order], client.jobs.wait(held, timeout_seconds=60)]
        client.queues.set_host(host)
    assert [job.status for job in done] == [JobStatus.COMPLETED] * 6
    assert [job.attempt for job in done] == [1] * 6
    for before, after in pairwise(done):
        assert before.started_at < before.ended_at <= after.started_at, "one at a time, in the order of the queue"


def test_a_killed_gateway_comes_back_at_the_same_address(running: Running):
    gateway, address = running.pid("gateway"), running.address()
    assert address["grpc_port"] > 0
    os.kill(gateway, signal.SIGKILL)
    until(lambda: running.pid("gateway") not in (gateway, None) and running.has_control(), "another gateway")
    until(lambda: answers(running), "the model to answer through the new gateway")
    assert running.answer() == [3.0]
    assert running.address() == address | {"pid": running.pid("gateway")}


def test_everything_ends_with_a_signal_and_comes_back_as_it_was(running: Running):
    before = running.program.output()
    assert running.program.stop(signal.SIGINT) == 0
    assert processes_of(running.program.home) == {}
    assert running.program.output().removeprefix(before).startswith("Stopping")

    running.url = running.program.start("--port", "0").ready()
    assert running.token not in running.program.output(), "it is shown once"
    with running.client() as client:
        client.endpoints.wait("sum", timeout_seconds=60)
        assert [version.ref for version in client.models.versions("sum")] == ["sum:1"]
        assert client.tokens.whoami().role is Role.ADMIN
    until(lambda: answers(running), "the model to answer after the restart")
    assert running.answer() == [3.0]
    with Client(running.url, running.secret) as reader:
        assert reader.predict("sum", ROW).labels == [3.0]

    assert running.program.stop(signal.SIGTERM) == 0
    assert processes_of(running.program.home) == {}
    assert not (running.program.home / "run" / "gateway.json").exists()


def test_no_secret_is_in_any_file_but_the_token_s_own(running: Running):
    """After all of the above: crashes, refusals, requests with good tokens."""
    secrets = [running.token.encode(), running.secret.encode()]
    found = [
        str(path)
        for path in running.program.home.rglob("*")
        if path.is_file() and path.name != "admin.token" and any(secret in path.read_bytes() for secret in secrets)
    ]
    assert found == []
    assert (running.program.home / "logs" / "control.log").exists()


def test_listening_beyond_loopback_takes_tls_or_an_explicit_word(tmp_path: Path, programs: Callable[..., Program]):
    words = refusal(programs(tmp_path / "refused", UP), "--host", "0.0.0.0", "--port", "0")
    assert "Refusing to listen on 0.0.0.0 without TLS" in words
    assert "--insecure" in words

    insecure = programs(tmp_path / "insecure", SERVE, "registry")
    url = insecure.start("--host", "0.0.0.0", "--port", "0", "--insecure").ready()
    port = url.rsplit(":", 1)[1]
    assert httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200
    assert insecure.stop() == 0
    assert processes_of(insecure.home) == {}


def test_with_a_certificate_every_application_speaks_tls(tmp_path: Path, programs: Callable[..., Program], tls_files):
    options = ("--tls-certificate", tls_files.certificate, "--tls-key", tls_files.key)
    secure = programs(tmp_path / "secure", UP)
    url = secure.start("--host", "0.0.0.0", "--port", "0", *options).ready()
    assert url.startswith("https://localhost:")
    address = url.replace("0.0.0.0", "127.0.0.1")
    trusted = ssl.create_default_context(cafile=tls_files.authority)
    with Client(address, secure.token, verify=trusted) as client:
        assert [project.name for project in client.projects.list()] == ["default"]
    with Client(address, secure.token) as client, pytest.raises(UnavailableError, match="CERTIFICATE_VERIFY_FAILED"):
        client.tokens.whoami()


def test_what_cannot_work_is_said_at_once_and_with_the_way_out(tmp_path: Path, programs: Callable[..., Program]):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        words = refusal(programs(tmp_path / "taken", UP), "--port", port, exit_code=CONFLICT)
    assert f"Cannot listen on 127.0.0.1, port {port}" in words
    assert "MODELYARD_PORT" in refusal(programs(tmp_path / "port", UP), "--port", "99999")
    assert "--registry http://host:port" in refusal(programs(tmp_path / "jobs", SERVE, "jobs"), "--port", "0")
    words = refusal(programs(tmp_path / "jobs", SERVE, "jobs"), "--port", "0", "--registry", "http://127.0.0.1:1")
    assert "MODELYARD_SERVICE_TOKEN" in words


def answers(running: Running) -> bool:
    try:
        return running.answer() == [3.0]
    except UnavailableError:
        return False
