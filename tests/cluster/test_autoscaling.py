"""A job that needs more than there is waits; a node comes, runs it, and goes again."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from nodes import Nodes

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
HERE = Path(__file__).parent
PATIENCE_SECONDS = 300.0  # starting a node takes 20 s, and five times that on a busy machine


@pytest.fixture
def nodes(tmp_path_factory: pytest.TempPathFactory):
    with Nodes(tmp_path_factory.mktemp("c"), started=("a",)) as nodes:
        yield nodes


def test_a_job_that_needs_more_than_there_is_gets_a_node_that_goes_when_it_is_idle(nodes: Nodes, tmp_path_factory):
    home = tmp_path_factory.mktemp("h")
    program = home / "provider.sh"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {HERE / "provider.py"} "$@"\n')
    program.chmod(0o700)
    environment = {
        **os.environ,
        "RAY_AUTH_TOKEN_PATH": str(nodes.home / "cluster.token"),
        "MODELYARD_NODE_COMMAND": str(program),
        "TEST_CLUSTER_HOME": str(nodes.home),
        "TEST_SPACE": nodes.space("b"),
        "TEST_IP": nodes.ip("b"),
    }
    words = ("-m", "modelyard.server.up", "--home", str(home), "--port", "0")
    words = (*words, "--engine", "ray", "--ray-address", nodes.address)
    log = home / "up.log"
    with log.open("wb") as output:
        platform = subprocess.Popen(
            nodes.command("a", sys.executable, *words), env=environment, stdout=output, stderr=output
        )

    def cli(*arguments: str) -> Any:
        shown = nodes.run(nodes.modelyard("a", *arguments, "--json", "--home", str(home)), 60)
        return json.loads(shown)

    def until(look: Any, what: str) -> Any:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (found := look()):
            assert time.monotonic() < deadline, f"{what}\n{log.read_text()[-3000:]}"
            time.sleep(1.0)
        return found

    try:
        until(lambda: "is ready" in log.read_text(), "the platform is ready")
        (head,) = cli("queues", "hosts")
        assert (head["name"], head["cpus"]) == (nodes.ip("a"), 2.0)
        digits = home / "digits.npz"
        make = "import sys, numpy as np; from sklearn.datasets import load_digits; d = load_digits(); "
        make += "np.savez(sys.argv[1], images=d.images.astype(np.float32), labels=d.target)"
        subprocess.run([sys.executable, "-c", make, str(digits)], check=True)
        cli("datasets", "upload", "digits", str(digits))
        train = ("train", "image-classification", "--data", "digits", "--model", "digits", "--no-wait")
        train = (*train, "--set", "epochs=1", "--set", "layers=16", "--gpus", "1", "--gpu-kind", "T4")
        refused = subprocess.run(
            nodes.modelyard("a", *train, "--home", str(home)), capture_output=True, text=True, timeout=60, check=False
        )
        assert "GPUs of the kind 'T4', which no host has" in refused.stderr
        kind = ("--cpus", "2", "--memory", "2000", "--gpus", "1", "--gpu-kind", "Tesla T4", "--max", "1", "--idle", "3")
        cli("cluster", "set-kind", "fast", *kind)
        job = cli(*train)["id"]
        done = until(lambda: (found := cli("jobs", "show", job))["status"] == "COMPLETED" and found, "the job is done")
        (node,) = cli("cluster", "history")
        assert node["started_because"] == f"job '{job}' waits for it"
        assert done["attempt"] == 1
        gone = until(lambda: (found := cli("cluster", "history")[0])["state"] == "ENDED" and found, "the node is gone")
        assert gone["ended_because"].startswith("it did nothing for")
        assert [host["name"] for host in cli("queues", "hosts")] == [nodes.ip("a")]
        assert not nodes.processes("b")
    finally:
        platform.send_signal(signal.SIGTERM)
        platform.wait(60)
