"""The engine of containers: Docker or Podman runs them, a supervisor of their own watches each."""

from collections.abc import Sequence
from contextlib import closing, suppress
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from modelyard.engines.base import ProcessNotFoundError
from modelyard.engines.checking import check_alone, check_placed, check_spec
from modelyard.engines.containers import images, ownership
from modelyard.engines.containers.groups import ParentGroup, parent_groups
from modelyard.engines.containers.planning import HOME_LABEL, LABEL, bootstrap, make_plan
from modelyard.engines.containers.pulling import Puller, Report
from modelyard.engines.containers.registries import Registries
from modelyard.engines.containers.sockets import ContainersUnavailableError, Daemon, find_socket, look_at, open_client
from modelyard.engines.local.accelerators import GpuPool, gpus_of
from modelyard.engines.local.records import Records
from modelyard.engines.local.supervised import SupervisedEngine
from modelyard.engines.machines import Gpu
from modelyard.engines.records import ProcessIdInvalidError
from modelyard.settings import Home
from modelyard.types.compute.nodes import Node
from modelyard.types.processes import ProcessSpec, SandboxLevel

if TYPE_CHECKING:
    from docker import DockerClient


_PULL_SECONDS = 1800.0


class ContainerEngine(SupervisedEngine):
    """Hardened containers of one Docker or Podman. Thread-safe; keeps its state in `<home>/run/containers` only.

    Nothing is asked of the daemon before something is to run, so that a platform without one is none the worse.

    Args:
        home: the state directory.
        socket: URL of the API; empty: DOCKER_HOST, or the usual places.
        may_pull: whether images that are not here are fetched from their registries.
        pull_seconds: how long one may take.
        gpus: accelerators to hand out; None: all of this machine.
    """

    name = "container"
    launcher: ClassVar[Sequence[str]] = (
        "-I",
        "-B",
        "-c",
        bootstrap("shim.main", "main()"),
    )

    def __init__(
        self,
        home: Home,
        *,
        socket: str = "",
        may_pull: bool = True,
        pull_seconds: float = _PULL_SECONDS,
        gpus: Sequence[Gpu] | None = None,
    ) -> None:
        super().__init__(Records(home.containers))
        self._pool = GpuPool(home, gpus)
        self._puller = Puller(Registries(home.registries), pull_seconds)
        self._preparing: dict[str, str] = {}
        self._home = home
        self._socket = socket
        self._may_pull = may_pull

    def submit(self, process_id: str, spec: ProcessSpec) -> None:
        """See `Engine.submit`. Pulls the images that are not here, so it may take as long as that.

        Raises:
            InvalidInputError: the work directory or a mount does not exist, or there is neither command nor image.
            NoSuchNodeError: this machine does not have what it asks for.
            GpusBusyError: others have the accelerators that it asks for.
            ContainersUnavailableError: no Docker or Podman answers.
            ImageNotFoundError: an image is neither here nor in its registry.
            ImageArchitectureError: it is for other processors.
            RegistryRefusedError: a registry does not let us have an image.
            ImagePullFailedError: a registry does not answer, or not in time.
            SupervisorFailedError: nothing was started; try again.
        """
        if self._records.exists(process_id):
            return
        check_spec(spec, self._records.folder)
        check_alone(spec, self.name)
        check_placed(spec, self._pool.machine)
        url = find_socket(self._socket)
        with closing(open_client(url)) as client:
            daemon = look_at(client, url)
            _check_daemon(daemon)
            report = partial(self._preparing.__setitem__, process_id)
            try:
                own = self._image(client, daemon, spec.image, report) if spec.image else images.empty_image(client)
                beside = [self._image(client, daemon, spec.sidecar.image, report)] if spec.sidecar else []
                beside += [images.empty_image(client)] if spec.members else []
                held_by = own if spec.resources.gpus else [own, *beside][-1]
                library_path = images.library_path(client, held_by) if gpus_of(spec) else ""
            finally:
                self._preparing.pop(process_id, None)
        ownership.grant(spec, ownership.user_of(process_id), self._home)
        with self._pool.lend(spec) as gpus:
            plan = make_plan(
                process_id,
                spec,
                folder=str(self._records.path(process_id)),
                socket=url,
                daemon=daemon,
                images=[own, *beside],
                group=self._cgroup_name(process_id),
                gpus=gpus,
                library_path=library_path,
            )
            self._start(process_id, spec, SandboxLevel.CONTAINER, plan, gpus)

    def resolve_image(self, reference: str) -> str:
        """See `Engine.resolve_image`: `repository@sha256:...` where it has one, else the image's id.

        Raises:
            ModelyardError: as for `submit`.
        """
        url = find_socket(self._socket)
        with closing(open_client(url)) as client:
            return images.pinned(client, self._image(client, look_at(client, url), reference, _say_nothing))

    def preparing(self, process_id: str) -> str:
        """See `Engine.preparing`."""
        return self._preparing.get(process_id, "")

    def reap(self) -> Sequence[str]:
        """See `Engine.reap`."""
        ended = [*super().reap()]
        with suppress(ContainersUnavailableError):
            ended += self._end_strange_containers()
        for name in parent_groups(self._cgroup_name("")):
            process_id = name.removeprefix(self._cgroup_name(""))
            if not self._is_held(process_id) and (count := ParentGroup(name).end()):
                ended.append(f"{count} processes left by '{process_id}'")
        return ended

    def nodes(self) -> Sequence[Node]:
        """See `Engine.nodes`."""
        return [self._pool.node()]

    def sandbox_level(self) -> SandboxLevel:
        """See `Engine.sandbox_level`."""
        return SandboxLevel.CONTAINER

    def daemon(self) -> Daemon:
        """What runs the containers.

        Raises:
            ContainersUnavailableError: nothing does.
        """
        url = find_socket(self._socket)
        with closing(open_client(url)) as client:
            return look_at(client, url)

    def _image(self, client: "DockerClient", daemon: Daemon, reference: str, report: Report) -> str:
        def pull(wanted: str) -> None:
            self._puller.pull(daemon.url, wanted, report)

        return images.resolve(
            client, reference, architecture=daemon.architecture, pull=pull if self._may_pull else None
        )

    def _end_remains(self, process_id: str) -> None:
        name = self._cgroup_name(process_id)
        with suppress(ContainersUnavailableError), closing(open_client(find_socket(self._socket))) as client:
            for each in self._container_names(process_id):
                _remove_container(client, each)
        ParentGroup(name).end()

    def _container_names(self, process_id: str) -> list[str]:
        """Those that a process may have; the one whose network others use comes last."""
        name = self._cgroup_name(process_id)
        members: list[str] = []
        with suppress(ProcessNotFoundError):
            members = [f"{name}.rank-{rank}" for rank in range(len(self._records.record(process_id).spec.members))]
        return [*members, f"{name}.network"] if members else [f"{name}.sidecar", name]

    def _end_strange_containers(self) -> list[str]:
        """End containers of this home whose process nobody holds; what was ended, in words."""
        ended = []
        label = f"{HOME_LABEL}={self._cgroup_name('')}"
        with closing(open_client(find_socket(self._socket))) as client:
            for container in client.containers.list(all=True, filters={"label": label}, ignore_removed=True):
                process_id = container.labels.get(LABEL, "")
                if not self._is_held(process_id) and _remove_container(client, container.id):
                    ended.append(f"the container of '{process_id}', which nobody supervised")
        return ended

    def _is_held(self, process_id: str) -> bool:
        try:
            return self._records.holder(process_id) is not None
        except (ProcessNotFoundError, ProcessIdInvalidError):
            return False


def _say_nothing(_words: str) -> None:
    """Nobody waits for words."""


def _remove_container(client: "DockerClient", name: str) -> bool:
    """End and forget a container; whether there was one."""
    import docker  # noqa: PLC0415

    try:
        client.containers.get(name).remove(force=True, v=True)
    except (docker.errors.DockerException, OSError):
        return False
    return True


def _check_daemon(daemon: Daemon) -> None:
    if not daemon.is_usable:
        raise ContainersUnavailableError(
            "Docker without root maps users in a way in which a container has no user that owns the platform's files",
            hint="Use Podman without root, or Docker as a service of the system.",
        )
