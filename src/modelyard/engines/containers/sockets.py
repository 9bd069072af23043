"""Finds and opens the API of Docker or Podman."""

import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from modelyard.errors import UnavailableError

if TYPE_CHECKING:
    from docker import DockerClient

_ANSWER_SECONDS = 60.0
_USUAL_PLACES = ("/run/docker.sock", "/var/run/docker.sock", "/run/podman/podman.sock")


class ContainersUnavailableError(UnavailableError):
    """No Docker or Podman answers, so nothing can run in a container now."""

    code = "containers_unavailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """What an engine of containers is like.

    Attributes:
        name: "docker" or "podman", with its version.
        url: of its API.
        is_rootless: an ordinary user runs it, so that it maps user ids.
        has_plain_groups: control groups are made in folders that anybody with the right may make, not by systemd.
        has_limits: limits of memory and processors are held, and what is used is counted.
        architecture: of the machine that it runs on, by Go's name ("amd64", "arm64").
    """

    name: str
    url: str
    is_rootless: bool
    has_plain_groups: bool
    has_limits: bool
    architecture: str

    @property
    def is_podman(self) -> bool:
        """Whether it is Podman."""
        return self.name.startswith("podman")

    @property
    def is_usable(self) -> bool:
        """False of Docker without root: its users are mapped so that none in a container owns the platform's files."""
        return self.is_podman or not self.is_rootless

    @property
    def command(self) -> str:
        """The program of its command line."""
        return "podman" if self.is_podman else "docker"


def find_socket(setting: str = "") -> str:
    """URL of the API: the setting, DOCKER_HOST, or the first of the usual places where there is a socket.

    Raises:
        ContainersUnavailableError: none of them.
    """
    given = setting or os.environ.get("DOCKER_HOST", "")
    if given:
        return given if "://" in given else f"unix://{given}"
    runtime = os.environ.get("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}")
    places = (*_USUAL_PLACES, f"{runtime}/podman/podman.sock", f"{runtime}/docker.sock")
    for place in places:
        if Path(place).is_socket():
            return f"unix://{place}"
    raise ContainersUnavailableError(
        "No Docker or Podman is there: none of the usual sockets exists",
        hint="Start `podman system service -t 0` or dockerd, or set MODELYARD_CONTAINER_SOCKET to where one listens.",
    )


def open_client(url: str, timeout_seconds: float = _ANSWER_SECONDS) -> "DockerClient":
    """A client of the API at `url`, which has answered. Whoever opens it closes it.

    Raises:
        ContainersUnavailableError: the library is not installed, or nobody answers.
    """
    try:
        import docker  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ContainersUnavailableError(
            "The library that speaks with Docker and Podman is not installed",
            hint="Install it: pip install 'modelyard[containers]'.",
        ) from error
    try:
        _knock(url)
        return docker.DockerClient(base_url=url, version="auto", timeout=timeout_seconds)
    except (docker.errors.DockerException, OSError) as error:
        raise ContainersUnavailableError(
            f"Docker or Podman does not answer at {url}: {error}",
            hint="Start it, or set MODELYARD_CONTAINER_SOCKET to where it listens.",
        ) from error


def _knock(url: str) -> None:
    """Connect and leave: the library leaves a socket open where nobody listens."""
    if url.startswith("unix://"):
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(url.removeprefix("unix://"))


def look_at(client: "DockerClient", url: str) -> Daemon:
    """What answers at `url`.

    Raises:
        ContainersUnavailableError: it does not answer any more.
    """
    import docker  # noqa: PLC0415

    try:
        info, version = client.info(), client.version()
    except (docker.errors.DockerException, OSError) as error:
        raise ContainersUnavailableError(f"Docker or Podman stopped to answer: {error}", hint="Try again.") from error
    components = {part.get("Name", ""): part.get("Version", "") for part in version.get("Components", [])}
    podman = components.get("Podman Engine")
    is_rootless = "name=rootless" in (info.get("SecurityOptions") or [])
    return Daemon(
        name=f"podman {podman}" if podman else f"docker {version.get('Version', '')}",
        url=url,
        is_rootless=is_rootless,
        has_plain_groups=info.get("CgroupDriver") == "cgroupfs",
        has_limits=bool(info.get("MemoryLimit")) and not (is_rootless and info.get("CgroupVersion") == "1"),
        architecture=str(version.get("Arch", "")),
    )
