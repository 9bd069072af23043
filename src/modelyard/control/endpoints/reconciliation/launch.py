"""Starting and proving one replica: its folder, its worker process, its golden requests."""

import math
import shutil
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from modelyard.control.endpoints.reconciliation.bundles import BundleCache
from modelyard.control.endpoints.reconciliation.processes import ReplicaProcesses
from modelyard.control.endpoints.reconciliation.proving import prove
from modelyard.control.endpoints.reconciliation.timing import Timing
from modelyard.control.endpoints.records import ReplicaRecord
from modelyard.control.environments.building import EnvironmentBuilder
from modelyard.engines.base import Engine, check_fence
from modelyard.engines.pythons import environment_mounts
from modelyard.runtimes.bundle import read_golden, read_manifest
from modelyard.runtimes.foreign.images import sidecar_of
from modelyard.runtimes.foreign.kinds import needs_loopback, own_environment
from modelyard.runtimes.foreign.needs import equipped
from modelyard.types.models import ArtifactFormat
from modelyard.types.processes import EndCause, Mount, ProcessEnd, ProcessSpec, Resources

_LOG_LINES = 5
_ASKER_BYTES = 1 << 30  # for a worker that only asks a model in a container; the limits are the model's


class Launcher:
    """Gives models to hosts, and submits workers to the engine for those that no host takes.

    Every worker has a small folder for its socket that no other one sees.

    Args:
        engine: runs the workers.
        processes: where they are found.
        bundles: what they serve.
        environments: packages of those that are programs.
        timing: how long a batch and the warm-up may take.
    """

    def __init__(
        self,
        engine: Engine,
        processes: ReplicaProcesses,
        bundles: BundleCache,
        environments: EnvironmentBuilder,
        timing: Timing,
    ) -> None:
        self._engine = engine
        self._processes = processes
        self._bundles = bundles
        self._environments = environments
        self._timing = timing

    def is_listening(self, replica: ReplicaRecord) -> bool:
        """True once the model is loaded and can be reached."""
        return self._processes.is_listening(replica)

    def submit(self, replica: ReplicaRecord, digest: str) -> None:
        """Fetch the bundle and have a host load it, or submit a worker. May be repeated.

        Raises:
            ModelyardError: the bundle cannot be had, the engine refuses, or the host cannot load it.
        """
        slot, hosts = replica.slot, self._processes.hosts
        bundle = self._bundles.fetch(replica.project, slot.model, slot.number, digest)
        if hosts is not None and (replica.host is not None or hosts.takes(slot, bundle)):
            hosts.serve(replica, bundle)
        else:
            self._submit_worker(replica, bundle)

    def _submit_worker(self, replica: ReplicaRecord, bundle: Path) -> None:
        slot = replica.slot
        folder = self._processes.folder(replica.id)
        folder.mkdir(parents=True, mode=0o700, exist_ok=True)
        options: dict[str, object] = {"hang-seconds": self._timing.hang_seconds}
        door = self._processes.door(replica)
        if door:
            options["door"] = door
        mounts = [Mount(path=str(bundle))]
        kind = read_manifest(bundle).artifact_format
        resources = equipped(slot.resources, bundle)
        sidecar = sidecar_of(bundle, resources) if kind is ArtifactFormat.IMAGE else None
        if kind.runs_code and sidecar is None:
            check_fence(self._engine)
        lock = own_environment(bundle) if kind.runs_code else None
        if lock is not None:
            python = self._environments.ensure(lock)
            options["python"] = python
            mounts.extend(environment_mounts(python))
        threads = max(1, math.ceil(resources.cpus or 1))
        self._engine.submit(
            replica.id,
            ProcessSpec(
                command=worker_command(bundle, self._processes.socket(replica), threads, options),
                work_directory=str(folder),
                mounts=tuple(mounts),
                resources=resources if sidecar is None else Resources(memory_bytes=_ASKER_BYTES),
                sidecar=sidecar,
                has_loopback=needs_loopback(kind),
                door=door,
                labels={
                    "replica": replica.id,
                    "project": replica.project,
                    "endpoint": replica.endpoint,
                    "variant": slot.variant,
                    "version": f"{slot.model}:{slot.number}",
                },
            ),
        )

    def prove(self, replica: ReplicaRecord, digest: str, timeout_seconds: float) -> list[str]:
        """Send the bundle's golden requests to the worker and warm it up; what it answers otherwise, in sentences.

        Raises:
            ModelyardError: the worker does not answer, or the bundle has no golden requests.
        """
        golden = read_golden(self._bundles.path(digest))
        return prove(
            self._processes.direct_address(replica),
            golden,
            timeout_seconds=timeout_seconds,
            warm_seconds=self._timing.warm_seconds,
        )

    def discard(self, replica: ReplicaRecord) -> None:
        """Remove what a replica left that has ended."""
        if replica.host is not None and self._processes.hosts is not None:
            self._processes.hosts.discard(replica.host, replica.id)
        else:
            self.discard_worker(replica.id)

    def discard_worker(self, replica_id: str) -> None:
        """Remove record and folder of a worker that has ended."""
        self._engine.remove(replica_id)
        shutil.rmtree(self._processes.folder(replica_id), ignore_errors=True)


def worker_command(
    bundle: Path, socket: str, threads: int, options: Mapping[str, object] | None = None
) -> tuple[str, ...]:
    """How a worker is started; `options` are further ones of its command line."""
    every = {"bundle": bundle, "socket": socket, **(options or {}), "threads": threads}
    words = [word for name, value in every.items() for word in (f"--{name}", str(value))]
    return (sys.executable, "-m", "modelyard.dataplane.worker", *words)


def account(end: ProcessEnd) -> str:
    """How a process ended, in a sentence, with the last lines of its output."""
    lines = [line.strip() for line in end.log_tail.splitlines() if line.strip()]
    if end.signal == signal.SIGALRM:  # the alarm of dataplane.vitals
        at = [index for index, line in enumerate(lines) if "most recent call first" in line]
        where = lines[at[-1] + 1 :][:_LOG_LINES] if at else []
        return "its model hung: it did not answer a batch in time, so its process was ended" + (
            f"; it was at: {' | '.join(where)}" if where else ""
        )
    lines = lines[-_LOG_LINES:]
    cause = "" if end.cause is EndCause.EXIT else f"{end.cause.value}: "
    return f"its process ended ({cause}{end.message})" + (f"; last output: {' | '.join(lines)}" if lines else "")
