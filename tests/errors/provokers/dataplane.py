"""Errors between the processes of the data plane."""

import numpy as np
from stage import Stage

from modelyard.dataplane.captures import read_segment
from modelyard.dataplane.client import WorkerClient
from modelyard.dataplane.frames import FrameReader
from modelyard.dataplane.gateway.config import read_config
from modelyard.dataplane.routing import read_table
from provokers.registration import provokes


@provokes("capture_damaged")
def capture_damaged(stage: Stage) -> None:
    segment = stage.folder() / "captures.segment"
    segment.write_bytes(b"something else")
    list(read_segment(segment))


@provokes("routing_table_invalid")
def routing_table_invalid(stage: Stage) -> None:
    path = stage.folder() / "routing.json"
    path.write_text("nothing")
    read_table(path)


@provokes("gateway_config_invalid")
def gateway_config_invalid(stage: Stage) -> None:
    path = stage.folder() / "gateway-config.json"
    path.write_text('{"host": "0.0.0.0", "control_socket": "c", "routing": "r", "spool": "s"}')
    read_config(path)


@provokes("worker_unavailable")
def worker_unavailable(stage: Stage) -> None:
    WorkerClient(str(stage.folder() / "replica.sock"), 1.0)


@provokes("frame_invalid")
def frame_invalid(_stage: Stage) -> None:
    list(FrameReader().feed(b"\xff" * 64))


@provokes("input_refused")
def input_refused(stage: Stage) -> None:
    with WorkerClient(str(stage.gateway.folder / "echo-1.sock"), 5.0) as worker:
        worker.infer({"x": np.zeros((1, 2), np.float32)})
