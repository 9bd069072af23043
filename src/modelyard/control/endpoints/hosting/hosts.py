"""The model hosts of this machine: starts them, places replicas in them, keeps spare ones, ends what is left over.

Remembers nothing: which hosts there are, the engine knows; which replica is in which, the rows say; what a host holds,
its report says.
"""

import shutil
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path

import structlog

from modelyard.control.endpoints.hosting.placement import HostView, choose, surplus
from modelyard.control.endpoints.hosting.policy import HostingPolicy
from modelyard.control.endpoints.records import ReplicaRecord, Slot
from modelyard.control.endpoints.repository import ReplicaRepository
from modelyard.dataplane.errors import WorkerUnavailableError
from modelyard.dataplane.hosting.layout import MODELS
from modelyard.dataplane.hosting.orders import Load, Unload, give_order
from modelyard.dataplane.hosting.report import HostReport, ModelState, ReportReader, at_work
from modelyard.dataplane.vitals import Vitals
from modelyard.engines.base import Engine
from modelyard.kit.ids import new_id
from modelyard.runtimes.bundle import COMPILATION, GOLDEN, MANIFEST, served_file
from modelyard.storage.database import Database
from modelyard.types.endpoints import ReplicaStatus
from modelyard.types.processes import Mount, ProcessSpec, ProcessState
from modelyard.types.routing import PLACE_SEPARATOR

_log = structlog.get_logger(__name__)
HOST_LABELS = {"kind": "model-host"}
_START_SECONDS = 120.0
_LOOK_SECONDS = 0.01
_STOP_SECONDS = 35.0


class Hosts:
    """Model hosts. Safe from any thread.

    Args:
        database: has the replicas.
        repository: their SQL.
        engine: runs the hosts.
        folder: parent of the hosts' folders and their bundles'; short, because a socket's path holds 107 bytes.
        policy: what is shared, and how much is kept ready.
        hang_seconds: a batch may take this long.
    """

    def __init__(
        self,
        *,
        database: Database,
        repository: ReplicaRepository,
        engine: Engine,
        folder: Path,
        policy: HostingPolicy,
        hang_seconds: float,
    ) -> None:
        self._database = database
        self._repository = repository
        self._engine = engine
        self._folder = folder
        self._policy = policy
        self._hang_seconds = hang_seconds
        self._reports = ReportReader()
        self._placing = threading.Lock()

    def takes(self, slot: Slot, bundle: Path) -> bool:
        """Whether a host is to serve this replica."""
        _, artifact, kind = served_file(bundle)
        return self._policy.takes(slot, kind, artifact.stat().st_size)

    def serve(self, replica: ReplicaRecord, bundle: Path) -> None:
        """Have a host load the bundle, the one that the replica has already or a suitable one. May be repeated.

        Raises:
            ArtifactInvalidError: the host cannot load it.
            WorkerUnavailableError: the host does not answer; its end says why.
        """
        host_id = replica.host or self._place(replica, bundle)
        place = place_of(replica.id)
        _copy(bundle, self._bundles(host_id) / place)
        self._wait_until_listening(host_id)
        slot = replica.slot
        title = f"'{slot.model}:{slot.number}' of endpoint '{replica.endpoint}'"
        give_order(self.folder(host_id), Load(place, title, replica.project))

    def unload(self, replica: ReplicaRecord) -> None:
        """Have its host finish what it holds of this replica and forget it.

        Raises:
            WorkerUnavailableError: the host does not answer.
        """
        if replica.host is not None:
            give_order(self.folder(replica.host), Unload(place_of(replica.id)))

    def socket(self, host_id: str, replica_id: str) -> str:
        """The socket of the replica's model alone."""
        return str(self.folder(host_id) / place_of(replica_id))

    def address(self, host_id: str, replica_id: str) -> str:
        """Where gateways reach it, over one connection with everything else of the host."""
        return f"{self.folder(host_id) / MODELS}{PLACE_SEPARATOR}{place_of(replica_id)}"

    def holds(self, host_id: str, replica_id: str) -> bool:
        """Whether the host's report names the replica's model as loaded, or parked."""
        report = self.report(host_id)
        model = report.models.get(place_of(replica_id)) if report is not None else None
        return model is not None and model.loads > 0

    def vitals(self, host_id: str, replica_id: str) -> Vitals | None:
        """What a host says of itself and of the replica's model; None if nothing yet."""
        report = self.report(host_id)
        model = report.models.get(place_of(replica_id)) if report is not None else None
        if report is None or model is None:
            return None
        remark = "it is unloaded at present to make room; its next request loads it again"
        return Vitals(
            alive_until=report.alive_until,
            nan_output=model.nan_output,
            remark=remark if model.state is ModelState.PARKED else "",
        )

    def report(self, host_id: str) -> HostReport | None:
        """What a host said last."""
        return self._reports.read(self.folder(host_id))

    def at_work(self, host_id: str) -> dict[str, str]:
        """Places and titles of the models at work when a host ended; none is known of a host that has said nothing."""
        report = self.report(host_id)
        if report is None:
            return {}
        return {place: report.models[place].title for place in at_work(self.folder(host_id), report)}

    def is_place_of(self, place: str, replica_id: str) -> bool:
        """Whether this is the replica's place in its host."""
        return place == place_of(replica_id)

    def discard(self, host_id: str, replica_id: str) -> None:
        """Remove the copy of its bundle."""
        shutil.rmtree(self._bundles(host_id) / place_of(replica_id), ignore_errors=True)

    def settle(self, *, is_needed: bool, may_start: bool) -> None:
        """End what is left over, forget what has ended, start spare hosts while anything is deployed; takes a while.

        Args:
            is_needed: something is deployed.
            may_start: now is a time to start a spare host.
        """
        spare_workers = self._policy.spare_workers if is_needed else 0
        with self._placing:
            states = self._engine.list(HOST_LABELS)
            alive = [state for state in states if state.is_alive]
            ended = [state for state in states if not state.is_alive]
            views = self._views(alive)
            wanted = {resident.host for view in views for resident in view.residents}
            for host_id in surplus(views, spare_workers):
                self._engine.stop(host_id, grace_seconds=_STOP_SECONDS)
            missing = spare_workers - sum(view.is_fresh for view in views)
            for _ in range(missing if may_start else 0):
                self._start()
            wanted |= self._named()
        for state in ended:
            if state.id not in wanted:
                self._forget(state.id)
        for view in views:
            self._end_strays(view)

    def folder(self, host_id: str) -> Path:
        """A host's own folder."""
        return host_folder(self._folder, host_id)

    def _bundles(self, host_id: str) -> Path:
        return self._folder / f"b-{place_of(host_id)}"

    def _place(self, replica: ReplicaRecord, bundle: Path) -> str:
        """Choose or start a host, and write down that the replica is in it: before it is, so that none is lost."""
        size = served_file(bundle)[1].stat().st_size
        is_alone = self._policy.is_alone(replica, size)
        with self._placing:
            views = self._views([state for state in self._engine.list(HOST_LABELS) if state.is_alive])
            host_id = choose(views, replica, size_bytes=size, is_alone=is_alone, policy=self._policy) or self._start()
            with self._database.transaction() as connection:
                self._repository.update(connection, replica.id, host=host_id, has_own_host=is_alone)
        return host_id

    def _views(self, states: list[ProcessState]) -> list[HostView]:
        reports = {state.id: self.report(state.id) or HostReport(alive_until=0) for state in states}
        residents = defaultdict(list)
        with self._database.read() as connection:  # after the reports: a row is there before its model
            for replica in self._repository.hosted(connection):
                if replica.status is not ReplicaStatus.ENDED:
                    residents[replica.host].append(replica)
        return [
            HostView(
                id=host_id,
                project=report.project,
                residents=tuple(residents[host_id]),
                is_listening=report.alive_until > 0,
                resident_bytes=report.resident_bytes,
                busy_share=report.busy_share,
            )
            for host_id, report in reports.items()
        ]

    def _named(self) -> set[str | None]:
        """Hosts of which a replica that has not ENDED wants to know how they ended."""
        with self._database.read() as connection:
            hosted = self._repository.hosted(connection)
        return {replica.host for replica in hosted if replica.status is not ReplicaStatus.ENDED}

    def _start(self) -> str:
        host_id = new_id("host")
        folder, bundles = self.folder(host_id), self._bundles(host_id)
        for each in (folder, bundles):
            each.mkdir(parents=True, mode=0o700)
        options = {
            "folder": folder,
            "bundles": bundles,
            "memory-bytes": self._policy.host_memory_bytes,
            "hang-seconds": self._hang_seconds,
        }
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        spec = ProcessSpec(
            command=(sys.executable, "-m", "modelyard.dataplane.host", *words),
            work_directory=str(folder),
            mounts=(Mount(path=str(bundles)),),
            labels=HOST_LABELS,
        )
        self._engine.submit(host_id, spec)
        return host_id

    def _wait_until_listening(self, host_id: str) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while self.report(host_id) is None:  # it reports as soon as it takes orders
            if not self._engine.state(host_id).is_alive or time.monotonic() > deadline:
                self._engine.stop(host_id, grace_seconds=0)
                raise WorkerUnavailableError(f"the model host '{host_id}' did not start", hint="Look at its log.")
            time.sleep(_LOOK_SECONDS)

    def _end_strays(self, view: HostView) -> None:
        """Unload models of replicas that have no row any more."""
        report = self.report(view.id)
        known = {place_of(resident.id) for resident in view.residents}
        for place in set(report.models if report is not None else ()) - known:
            with self._database.read() as connection:  # it may have come after the rows were read
                rows = {place_of(replica.id) for replica in self._repository.hosted(connection)}
            if place not in rows:
                _log.warning("stray_model_unloaded", host=view.id, model=place)
                give_order(self.folder(view.id), Unload(place))
                shutil.rmtree(self._bundles(view.id) / place, ignore_errors=True)

    def _forget(self, host_id: str) -> None:
        self._engine.remove(host_id)
        self._reports.forget(self.folder(host_id))
        for each in (self.folder(host_id), self._bundles(host_id)):
            shutil.rmtree(each, ignore_errors=True)


def host_folder(parent: Path, host_id: str) -> Path:
    """A host's own folder."""
    return parent / f"h-{place_of(host_id)}"


def place_of(identifier: str) -> str:
    """65 of an id's 80 random bits: a short name for folders and sockets."""
    return identifier[-13:]


def _copy(bundle: Path, target: Path) -> None:
    """What a host needs of a bundle; appears whole. Copies, so that it sees nothing but what it serves.

    Readable to every user: a host in a container is one of its own. The folder above is shut to all others.
    """
    if target.is_dir():
        return
    _, artifact, _ = served_file(bundle)
    temporary = target.with_name(f"{target.name}.new")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    for source in (bundle / MANIFEST, bundle / COMPILATION, bundle / GOLDEN, artifact):
        if source.is_file():
            destination = temporary / source.relative_to(bundle.resolve() if source is artifact else bundle)
            destination.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, destination)
    for each in (temporary, *temporary.rglob("*")):
        each.chmod(0o755 if each.is_dir() else 0o644)
    temporary.rename(target)
