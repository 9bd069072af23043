"""`modelyard up --gateways 2`: one port, two processes, and each is started again by itself."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from modelyard.testing.programs import Program, processes_of, until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    program = Program(tmp_path_factory.mktemp("gateways") / "home", "modelyard.server.up")
    yield program
    program.end()


def processes(program: Program) -> dict[str, int | None]:
    state: dict[str, dict[str, int | None]] = json.loads((program.home / "run" / "platform.json").read_bytes())
    return state["processes"]


def fresh_calls(url: str) -> list[int]:
    """Each over a connection of its own, so that the kernel deals them out."""
    return [httpx.get(f"{url}/v2/health/ready").status_code for _ in range(20)]


def test_the_system_chooses_the_ports_once_and_both_gateways_have_them(program: Program):
    url = program.start("--port", "0", "--gateways", "2").ready()
    assert fresh_calls(url) == [200] * 20
    assert set(processes(program)) == {"control", "gateway", "gateway-2"}
    run = program.home / "run"
    first, second = (json.loads(path.read_bytes()) for path in (run / "gateway.json", run / "gateways/gateway-2.json"))
    assert {**first, "pid": 0} == {**second, "pid": 0}, "also the port for gRPC"
    assert first["pid"] != second["pid"]
    assert first["url"] == url


def test_either_one_can_be_killed_while_callers_come_and_both_are_there_again(program: Program):
    url = program.wait_for_line("is ready at ").partition("is ready at ")[2].split()[0]
    for name in ("gateway", "gateway-2"):
        killed = processes(program)[name]
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        until(lambda gone=killed, mine=name: processes(program)[mine] != gone, "its end")
        assert fresh_calls(url) == [200] * 20, "the other one takes all"
        until(lambda gone=killed, mine=name: processes(program)[mine] not in (gone, None), "another one")
        assert fresh_calls(url) == [200] * 20
        assert f"{name} ended with code -9; starting it again" in program.output()


def test_all_of_it_ends_with_a_signal(program: Program):
    assert program.stop(signal.SIGTERM) == 0
    assert processes_of(program.home) == {}
    assert not (program.home / "run" / "gateway.json").exists()
    assert list((program.home / "run").glob("gateways/*")) == []


def test_a_number_that_makes_no_sense_is_refused(tmp_path: Path):
    program = Program(tmp_path / "home", "modelyard.server.up")
    assert program.start("--gateways", "0").process.wait(60) == 2
    assert "--gateways, MODELYARD_GATEWAYS and config.toml" in program.output()
