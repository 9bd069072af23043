"""Errors of clusters, provoked without one: Ray is not in the environment of these tests."""

import sys
from pathlib import Path
from unittest import mock

import httpx
from stage import Stage

from modelyard.cli.labels import read_labels
from modelyard.control.autoscaling.repository import NodeRepository
from modelyard.control.autoscaling.service import AutoscalingService
from modelyard.engines.local.engine import LocalEngine
from modelyard.engines.machines import Gpu, find_gpus
from modelyard.engines.ray import access, cluster, listing, nodes
from modelyard.engines.ray.check import check_sockets
from modelyard.engines.ray.gangs import interface, relay
from modelyard.server.engines import check_engine
from modelyard.settings import Home, Settings
from modelyard.storage.database import Database
from modelyard.types.compute.autoscaling import NodeKind
from modelyard.types.processes import EngineKind, ProcessSpec, Resources
from provokers.registration import provokes

LOOPBACK = "127.0.0.1"


@provokes("no_such_node")
def no_such_node(stage: Stage) -> None:
    spec = ProcessSpec(command=("true",), work_directory=str(stage.folder()), resources=Resources(gpus=1))
    LocalEngine(Home(stage.folder())).submit("job-1", spec)


@provokes("ray_missing")
def ray_missing(_stage: Stage) -> None:
    with mock.patch("importlib.util.find_spec", return_value=None):
        access.check_installed()


@provokes("cluster_unavailable")
def cluster_unavailable(stage: Stage) -> None:
    listing.address_of(Home(stage.folder()))


@provokes("cluster_running")
def cluster_running(stage: Stage) -> None:
    home = Home(stage.folder())
    home.create()
    home.cluster.mkdir()
    sleeping = [sys.executable, "-c", "import time; time.sleep(60)"]
    node = cluster._spawn(home, sleeping, f"{LOOPBACK}:6379", LOOPBACK, stage.folder())
    nodes.write_record(home, node)
    try:
        with mock.patch.object(access, "check_installed"):
            cluster.start_node(home, ip=LOOPBACK)
    finally:
        cluster.stop_node(home, node)


@provokes("cluster_start_failed")
def cluster_start_failed(stage: Stage) -> None:
    failing = [sys.executable, "-c", "import sys; sys.exit('the address is in use')"]
    with mock.patch.object(access, "check_installed"), mock.patch.object(cluster, "_command", return_value=failing):
        cluster.start_node(Home(stage.folder()), ip=LOOPBACK)


@provokes("node_blind")
def node_blind(_stage: Stage) -> None:
    check_sockets(Home(Path("/srv", *["a-long-name"] * 9)))


@provokes("gang_network_unavailable")
def gang_network_unavailable(_stage: Stage) -> None:
    with mock.patch.object(interface, "DEVICE", "/dev/net/none"):
        relay.check_possible()


@provokes("engine_not_ready")
def engine_not_ready(stage: Stage) -> None:
    check_engine(Settings(home=stage.folder(), engine=EngineKind.RAY))


@provokes("label_invalid")
def label_invalid(_stage: Stage) -> None:
    read_labels(["zone"])


@provokes("gpus_invalid")
def gpus_invalid(_stage: Stage) -> None:
    find_gpus("all")


@provokes("gpus_busy")
def gpus_busy(stage: Stage) -> None:
    engine = LocalEngine(Home(stage.folder()), gpus=[Gpu(id="0")])
    spec = ProcessSpec(command=("sleep", "60"), work_directory=str(stage.folder()), resources=Resources(gpus=1))
    engine.submit("job-1", spec)
    try:
        engine.submit("job-2", spec)
    finally:
        engine.remove("job-1")


@provokes("node_kind_not_found")
def node_kind_not_found(stage: Stage) -> httpx.Response:
    return stage.call("DELETE", "/jobs/v1/node-kinds/large")


@provokes("autoscaling_off")
def autoscaling_off(stage: Stage) -> httpx.Response:
    body = {"max_nodes": 2, "cpus": 8, "memory_bytes": 32 << 30}
    return stage.call("PUT", "/jobs/v1/node-kinds/large", json=body)


@provokes("node_kind_invalid")
def node_kind_invalid(stage: Stage) -> None:
    database = Database(f"sqlite:///{stage.folder()}/empty.db")
    kind = NodeKind(name="large", min_nodes=3, max_nodes=2, cpus=8, memory_bytes=32 << 30)
    try:
        AutoscalingService(database, NodeRepository(), 2, is_on=True).set_kind(kind)
    finally:
        database.close()
