"""The platform on three nodes: the quickstart, and the loss of a node under load."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from nodes import Nodes, platform_on

pytestmark = [pytest.mark.slow, pytest.mark.timeout(560)]
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    with Nodes(tmp_path_factory.mktemp("c")) as nodes:
        yield nodes


def test_the_nodes_are_listed_with_what_they_have(nodes: Nodes):
    shown = json.loads(nodes.run(nodes.modelyard("b", "cluster", "status", "--json", "--home", str(nodes.home)), 60))
    assert {each["ip"]: (each["is_alive"], each["cpus"], each["gpus"]) for each in shown} == {
        nodes.ip("a"): (True, 2.0, 0.0),
        nodes.ip("b"): (True, 2.0, 2.0),
        nodes.ip("c"): (True, 2.0, 2.0),
    }
    assert [each["labels"]["name"] for each in shown if each["ip"] == nodes.ip("c")] == ["c"]


def test_the_quickstart_runs_on_them_unchanged(nodes: Nodes, tmp_path_factory):
    home = tmp_path_factory.mktemp("q")
    words = ("-m", "modelyard.quickstart", "--home", str(home), "--stop", "--engine", "ray")
    command = nodes.command("a", sys.executable, *words, "--ray-address", nodes.address)
    shown = nodes.run(command, 500, env=nodes.environment())
    assert "The whole life of a model" in shown


def test_a_lost_node_costs_no_job_and_no_request_that_was_not_on_it(nodes: Nodes, tmp_path_factory):
    home = tmp_path_factory.mktemp("h")
    with platform_on(nodes, home, MODELYARD_MAX_PARALLEL_JOBS="6"):
        program = nodes.command("a", sys.executable, str(HERE / "loss.py"), str(home), nodes.switch)
        seen = json.loads(nodes.run(program, 400).splitlines()[-1])
    print(json.dumps(seen, indent=1))  # noqa: T201 - the figures of the run
    assert seen["replicas"][seen["victim"]] >= 1, seen
    assert seen["jobs"][seen["victim"]] >= 1, seen
    assert [status for status, _ in seen["ended"]] == ["COMPLETED"] * len(seen["ended"]), seen
    assert any(attempt > 1 for _, attempt in seen["ended"]), seen
    # Each caller has one request under way; more cannot have been on the node.
    assert len(seen["failures"]) <= 6 * seen["replicas"][seen["victim"]] / 3, seen
    assert seen["answers_after_replacement"] > 0, seen
    assert seen["noticed_seconds"] < 20, seen
