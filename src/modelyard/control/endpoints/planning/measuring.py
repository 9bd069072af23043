"""Measures how long a model version takes, in a sandboxed worker of its own, like the one that would serve it."""

import math
import shutil
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np

from modelyard.control.endpoints.reconciliation.bundles import BundleCache
from modelyard.control.endpoints.reconciliation.launch import account, worker_command
from modelyard.control.endpoints.records import ServedVersion
from modelyard.dataplane.client import WorkerClient
from modelyard.dataplane.errors import WorkerUnavailableError
from modelyard.dataplane.gateway.pools.demand import service_point
from modelyard.engines.base import Engine, ProcessNotFoundError
from modelyard.kit.clock import Clock
from modelyard.kit.host import process_cpu_seconds
from modelyard.kit.ids import new_id
from modelyard.runtimes.base import Tensors
from modelyard.runtimes.bundle import read_golden
from modelyard.runtimes.foreign.needs import equipped
from modelyard.runtimes.tensors import from_json
from modelyard.types.planning import Measurement
from modelyard.types.processes import Mount, ProcessSpec, Resources
from modelyard.types.signatures import Signature

SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
"""Rows of the batches that are measured; the gateway makes none larger."""

_START_SECONDS = 60.0
_LIFE_SECONDS = 120.0  # the worker ends by itself, should this process be killed
_ROUNDS = 3  # what disturbs the machine for a moment disturbs a third of one size, not all of it
_FIRST_SIZE_SECONDS = 0.4
_SIZE_SECONDS = 0.15
_LEAST_CALLS, _MOST_CALLS = 5, 600
_WARM_UP_CALLS = 3
_BUDGET_SECONDS = 6.0
_MOST_PAUSE_SECONDS = 0.02


class Measurer:
    """Starts a worker, asks it one batch after another, and ends it. Safe from any thread.

    Args:
        engine: runs the worker.
        bundles: what it serves.
        folder: parent of its folder; short, because a socket's path holds 107 bytes.
        clock: for the time of the measurement.
    """

    def __init__(self, engine: Engine, bundles: BundleCache, folder: Path, clock: Clock) -> None:
        self._engine = engine
        self._bundles = bundles
        self._folder = folder
        self._clock = clock

    def measure(self, version: ServedVersion, resources: Resources) -> Measurement:
        """Some seconds of measuring, with all rows taken from the version's golden requests.

        Raises:
            ModelyardError: the bundle cannot be had, or the worker does not start or answer.
        """
        bundle = self._bundles.fetch(version.project, version.model, version.number, version.digest)
        process_id = new_id("plan")
        folder = self._folder / f"p-{process_id[-13:]}"
        folder.mkdir(parents=True, mode=0o700)
        try:
            self._submit(process_id, bundle, folder, resources)
            with self._connected(process_id, folder / "w") as client:
                measurement = self._measure(process_id, client, _sample(bundle), version.signature)
            self._engine.stop(process_id)
            end = self._engine.wait(process_id, _START_SECONDS).end
        finally:
            with suppress(ProcessNotFoundError):
                self._engine.remove(process_id)
            shutil.rmtree(folder, ignore_errors=True)
        memory = end.max_rss_bytes if end is not None and end.max_rss_bytes else 0
        return replace(measurement, memory_bytes=memory)

    def _submit(self, process_id: str, bundle: Path, folder: Path, resources: Resources) -> None:
        threads = max(1, math.ceil(resources.cpus or 1))
        door = str(folder / "d") if self._engine.has_nodes else ""
        self._engine.submit(
            process_id,
            ProcessSpec(
                command=worker_command(bundle, str(folder / "w"), threads, {"door": door} if door else None),
                work_directory=str(folder),
                mounts=(Mount(path=str(bundle)),),
                resources=replace(equipped(resources, bundle), time_limit_seconds=_LIFE_SECONDS),
                door=door,
                labels={"plan": process_id},
            ),
        )

    def _connected(self, process_id: str, socket: Path) -> WorkerClient:
        deadline = time.monotonic() + _START_SECONDS
        while not (address := self._address(process_id, socket)):
            end = self._engine.state(process_id).end
            if end is not None or time.monotonic() > deadline:
                why = account(end) if end is not None else f"it did not listen within {_START_SECONDS:.0f} s"
                raise WorkerUnavailableError(
                    f"the worker that was to be measured did not start: {why}", hint="Deploy the version to see more."
                )
            time.sleep(0.02)
        return WorkerClient(address, _START_SECONDS)

    def _address(self, process_id: str, socket: Path) -> str:
        """Where the worker is reached; empty while it is not."""
        if self._engine.has_nodes:
            return self._engine.state(process_id).address
        return str(socket) if socket.is_socket() else ""

    def _measure(self, process_id: str, client: WorkerClient, sample: Tensors, signature: Signature) -> Measurement:
        specs = (*signature.inputs, *signature.outputs)
        is_batched = all(spec.shape and spec.shape[0] == -1 for spec in specs)
        batches = {size: _tiled(sample, size) for size in SIZES} if is_batched else {1: sample}
        single = batches[1]
        _calls(client, single, 0.0, _WARM_UP_CALLS)
        state = self._engine.state(process_id)
        pid = state.pid if not state.node else None  # another machine's processor time is not seen: its time counts
        before = process_cpu_seconds(pid)
        times = _intervals(client, single, _FIRST_SIZE_SECONDS, _LEAST_CALLS)
        cpu_seconds = (process_cpu_seconds(pid) - before) / (len(times) + 2)  # the first and the last end no interval
        mean = sum(times) / len(times)
        woken = _calls(client, single, _SIZE_SECONDS, _LEAST_CALLS, pause_seconds=min(_MOST_PAUSE_SECONDS, 2 * mean))
        measured = _rounds(client, batches)
        measured[1] += times
        return Measurement(
            curve=tuple(service_point([(size, each) for each in seconds]) for size, seconds in measured.items()),
            cpu_seconds_per_row=cpu_seconds or mean,
            memory_bytes=0,
            wake_seconds=max(0.0, median(woken) - median(times)),
            measured_at=self._clock.now(),
        )


def _rounds(client: WorkerClient, batches: dict[int, Tensors]) -> dict[int, list[float]]:
    """Seconds of batches by their size, the sizes in turns; the largest sizes are left out where time runs out."""
    measured: dict[int, list[float]] = {}
    deadline = time.monotonic() + _BUDGET_SECONDS
    for number in range(_ROUNDS):
        for size in batches if number == 0 else tuple(measured):
            if measured and time.monotonic() > deadline:
                break
            batch = batches[size]
            _calls(client, batch, 0.0, _WARM_UP_CALLS if number == 0 else 1)
            seconds = _intervals(client, batch, _FIRST_SIZE_SECONDS if size == 1 else _SIZE_SECONDS, _LEAST_CALLS)
            measured.setdefault(size, []).extend(seconds)
    return measured


def _intervals(client: WorkerClient, batch: Tensors, seconds: float, least: int) -> list[float]:
    """Seconds from answer to answer while the next batch is always there already, as it is under load.

    The worker need not wait for its caller then. A caller that asks again only after each answer takes its own time,
    and that of waking up, for service: a network of 1.2 ms (median) then took 1.3, and 2.4 on a busy machine.
    """
    times: list[float] = []
    ahead = [client.send(batch), client.send(batch)]
    client.answer(ahead.pop(0))
    before = time.perf_counter()
    deadline = before + seconds
    while len(times) < least or (before < deadline and len(times) < _MOST_CALLS):
        ahead.append(client.send(batch))
        client.answer(ahead.pop(0))
        now = time.perf_counter()
        times.append(now - before)
        before = now
    client.answer(ahead.pop())
    return times


def _calls(
    client: WorkerClient, batch: Tensors, seconds: float, least: int, *, pause_seconds: float = 0.0
) -> list[float]:
    """Seconds of each call by itself: as many as fit, between `least` and a maximum."""
    times: list[float] = []
    deadline = time.perf_counter() + seconds
    while len(times) < least or (time.perf_counter() < deadline and len(times) < _MOST_CALLS):
        time.sleep(pause_seconds)
        started = time.perf_counter()
        client.infer(batch)
        times.append(time.perf_counter() - started)
    return times


def _sample(bundle: Path) -> Tensors:
    """The largest golden request."""
    requests = [{t.name: from_json(t) for t in request.inputs} for request in read_golden(bundle).requests]
    return max(requests, key=lambda tensors: max((array.shape[:1] or (0,))[0] for array in tensors.values()))


def _tiled(sample: Tensors, rows: int) -> Tensors:
    """`rows` rows, the sample's again and again."""
    return {name: array[np.arange(rows) % len(array)] for name, array in sample.items()}
