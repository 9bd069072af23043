"""Gangs on three nodes: the how-to as it is written, the network of the members, and the loss of one."""

import json
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from nodes import NAMES, Nodes, platform_on

pytestmark = [pytest.mark.slow, pytest.mark.timeout(560)]
HOW_TO = Path(__file__).parents[2] / "docs" / "how-to" / "train-on-several-hosts.md"
PATIENCE_SECONDS = 200.0

LOOK = """
import os, socket, sys, time
rank = int(os.environ["RANK"])
if rank == 0:
    server = socket.create_server((os.environ["MODELYARD_ADDRESS"], int(os.environ["MASTER_PORT"])))
    server.accept()[0].sendall(b"x" * (8 << 20))  # more than fits into any buffer, and then the sender ends at once
else:
    while True:
        try:
            found = socket.create_connection((os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])), 5)
            break
        except OSError:
            time.sleep(0.1)
    print("received", len(b"".join(iter(lambda: found.recv(1 << 20), b""))))
for target in sys.argv[1:]:
    host, _, port = target.rpartition(":")
    try:
        socket.create_connection((host, int(port)), 2).close()
        print("reached", target)
    except OSError as error:
        print("did not reach", target, error)
"""

COUNT = """
import json, os, time
from pathlib import Path
state = Path(os.environ["MODELYARD_CHECKPOINTS"], "state.json")
step = json.loads(state.read_text())["step"] if state.exists() else 0
print("attempt", os.environ["MODELYARD_ATTEMPT"], "begins at step", step, flush=True)
while not Path(os.environ["MODELYARD_CHECKPOINTS"], "enough").exists():
    time.sleep(0.2)
    if os.environ["RANK"] == "0":
        step += 1
        partial = state.with_suffix(".partial")
        partial.write_text(json.dumps({"step": step}))
        partial.rename(state)
    elif step:
        Path(os.environ["MODELYARD_CHECKPOINTS"], "enough").touch()
"""


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    with Nodes(tmp_path_factory.mktemp("c")) as nodes:
        yield nodes


@pytest.fixture(scope="module")
def home(nodes: Nodes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("h")
    with platform_on(nodes, home):
        yield home


def cli(nodes: Nodes, home: Path, *words: str) -> Any:
    at = words.index("--") if "--" in words else len(words)
    words = (*words[:at], "--json", "--home", str(home), *words[at:])
    return json.loads(nodes.run(nodes.modelyard("a", *words), 300))


def test_the_how_to_trains_on_two_hosts_as_it_is_written(nodes: Nodes, home: Path, tmp_path: Path):
    text = HOW_TO.read_text()
    for name, source in re.findall(r"^```python\n# (\w+\.py)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        (tmp_path / name).write_text(source)
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    environment = nodes.environment() | {"MODELYARD_HOME": str(home)}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    nodes.run(nodes.command("a", "bash", "-euc", "".join(blocks)), 500, cwd=tmp_path, env=environment)
    jobs = [job for job in cli(nodes, home, "jobs", "list") if job["recipe"]["script"]["hosts"] == 2]
    assert len(jobs) == len(re.findall("--hosts 2", "".join(blocks)))
    for job in jobs:
        assert job["status"] == "COMPLETED"
        members = job["end"]["members"]
        assert [member["rank"] for member in members] == [0, 1]
        assert members[0]["host"] != members[1]["host"], "each was on a host of its own"
        assert all(member["cpu_seconds"] > 0 for member in members), "each is metered"
    torch_job = next(job for job in jobs if job["recipe"]["script"]["entry_point"] == "train_ddp.py")
    weights = [logs(nodes, home, torch_job["id"], rank).rpartition("weights ")[2] for rank in (0, 1)]
    assert weights[0] == weights[1], "they have one model between them"
    assert weights[0].startswith("[["), "each has an output of its own"
    assert torch_job["metrics"]["loss"] < 0.001
    forest = next(job for job in jobs if job["recipe"]["script"]["entry_point"] == "search_sklearn.py")
    assert "2 nodes with 2 cores" in logs(nodes, home, forest["id"], 0)


def test_members_reach_each_other_and_nothing_else(nodes: Nodes, home: Path, tmp_path: Path):
    (tmp_path / "look.py").write_text(LOOK)
    cli(nodes, home, "project", "allow-code", "default", "--reason", "a test")
    targets = [nodes.address, *(f"{nodes.ip(name)}:80" for name in NAMES)]
    options = ("--hosts", "2", "--cpus", "1", "--memory", "300")
    job = cli(nodes, home, "run", str(tmp_path / "look.py"), *options, "--", *targets)
    for rank in (0, 1):
        said = logs(nodes, home, job["id"], rank)
        assert said.count("did not reach") == len(targets), said
        assert "Network is unreachable" in said
    assert f"received {8 << 20}" in logs(nodes, home, job["id"], 1), "nothing was lost when the sender ended"


def test_a_lost_member_ends_the_gang_which_begins_anew_from_its_checkpoint(nodes: Nodes, home: Path, tmp_path: Path):
    (tmp_path / "count.py").write_text(COUNT)
    cli(nodes, home, "project", "allow-code", "default", "--reason", "a test")
    options = ("--hosts", "2", "--cpus", "1", "--memory", "300", "--no-wait")
    job = cli(nodes, home, "run", str(tmp_path / "count.py"), *options)["id"]
    running = until(nodes, home, job, lambda found: found["status"] == "RUNNING")
    time.sleep(2.0)  # some checkpoints
    victim = next(host for host in running["schedule"]["member_hosts"] if host != nodes.ip("a"))
    nodes.kill(next(name for name in NAMES if nodes.ip(name) == victim))
    ended = until(nodes, home, job, lambda found: found["end"])
    assert (ended["status"], ended["attempt"]) == ("COMPLETED", 2)
    assert victim not in [member["host"] for member in ended["end"]["members"]]
    begun = re.search(r"attempt 2 begins at step (\d+)", logs(nodes, home, job, 0))
    assert begun is not None
    assert int(begun[1]) > 0, "it found the checkpoint of the first attempt"


def until(nodes: Nodes, home: Path, job: str, look: Any) -> Any:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not look(found := cli(nodes, home, "jobs", "show", job)):
        assert time.monotonic() < deadline, found
        time.sleep(0.5)
    return found


def logs(nodes: Nodes, home: Path, job: str, rank: int) -> str:
    words = ("jobs", "logs", job, "--rank", str(rank), "--home", str(home))
    return nodes.run(nodes.modelyard("a", *words), 60)
