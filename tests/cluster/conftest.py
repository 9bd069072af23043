"""Tests on real Ray clusters. `make test-ray` runs them: Ray is not in the environment of the other tests."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelyard.settings import Home
from modelyard.types.compute.nodes import NodeTraits

sys.path.insert(0, str(Path(__file__).parent))  # the modules here import each other
collect_ignore_glob = [] if importlib.util.find_spec("ray") else ["test_*.py"]


@pytest.fixture(scope="session")
def one_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """The state directory of a cluster of one node."""
    from modelyard.engines.ray import cluster

    home = Home(tmp_path_factory.mktemp("one-node"))
    traits = NodeTraits(labels={"zone": "a"}, gpu_kind="Tesla T4", gpu_memory_bytes=16 << 30)
    node = cluster.start_node(home, offer=cluster.Offer(name="attic", cpus=8, gpus=2, traits=traits))
    yield home
    cluster.stop_node(home, node)
