"""Starting and proving one replica: its folder, its worker process, its golden requests."""

import math
import shutil
import sys
from pathlib import Path

from modelyard.control.endpoints.reconciliation.bundles import BundleCache
from modelyard.control.endpoints.records import ReplicaRecord
from modelyard.dataplane.client import WorkerClient
from modelyard.engines.base import Engine
from modelyard.runtimes.bundle import read_golden
from modelyard.runtimes.golden import mismatches
from modelyard.types.processes import EndCause, Mount, ProcessEnd, ProcessSpec

_FOLDER_PREFIX = "r-"
_SOCKET = "w"
_LOG_LINES = 5


class Launcher:
    """Submits workers to the engine. Every replica has a small folder for its socket that no other one sees.

    Args:
        engine: runs the workers.
        bundles: what they serve.
        folder: parent of the replicas' folders; short, because a socket's path holds 107 bytes.
    """

    def __init__(self, engine: Engine, bundles: BundleCache, folder: Path) -> None:
        self._engine = engine
        self._bundles = bundles
        self._folder = folder

    def address(self, replica_id: str) -> str:
        """The replica's socket."""
        return str(self._replica_folder(replica_id) / _SOCKET)

    def is_listening(self, replica_id: str) -> bool:
        """True once the worker has loaded its model and made its socket."""
        return Path(self.address(replica_id)).is_socket()

    def submit(self, replica: ReplicaRecord, digest: str) -> None:
        """Fetch the bundle and submit the worker. May be repeated.

        Raises:
            ModelyardError: the bundle cannot be had or the engine refuses.
        """
        slot = replica.slot
        bundle = self._bundles.fetch(replica.project, slot.model, slot.number, digest)
        folder = self._replica_folder(replica.id)
        folder.mkdir(parents=True, mode=0o700, exist_ok=True)
        threads = max(1, math.ceil(slot.resources.cpus or 1))
        self._engine.submit(
            replica.id,
            ProcessSpec(
                command=worker_command(bundle, self.address(replica.id), threads),
                work_directory=str(folder),
                mounts=(Mount(path=str(bundle)),),
                resources=slot.resources,
                labels={
                    "replica": replica.id,
                    "project": replica.project,
                    "endpoint": replica.endpoint,
                    "variant": slot.variant,
                },
            ),
        )

    def prove(self, replica: ReplicaRecord, digest: str, timeout_seconds: float) -> list[str]:
        """Send the bundle's golden requests to the worker; what it answers otherwise, in sentences.

        Raises:
            ModelyardError: the worker does not answer, or the bundle has no golden requests.
        """
        golden = read_golden(self._bundles.path(digest))
        with WorkerClient(self.address(replica.id), timeout_seconds) as client:
            return mismatches(golden, client.infer)

    def discard(self, replica_id: str) -> None:
        """Remove the folder of a replica whose process has ended."""
        shutil.rmtree(self._replica_folder(replica_id), ignore_errors=True)

    def _replica_folder(self, replica_id: str) -> Path:
        return self._folder / f"{_FOLDER_PREFIX}{replica_id[-13:]}"  # 65 of the id's 80 random bits


def worker_command(bundle: Path, socket: str, threads: int) -> tuple[str, ...]:
    """How a worker is started."""
    command = (sys.executable, "-m", "modelyard.dataplane.worker", "--bundle", str(bundle))
    return (*command, "--socket", socket, "--threads", str(threads))


def account(end: ProcessEnd) -> str:
    """How a process ended, in a sentence, with the last lines of its output."""
    lines = [line for line in end.log_tail.strip().splitlines() if line.strip()][-_LOG_LINES:]
    cause = "" if end.cause is EndCause.EXIT else f"{end.cause.value}: "
    return f"its process ended ({cause}{end.message})" + (f"; last output: {' | '.join(lines)}" if lines else "")
