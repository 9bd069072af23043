"""Images: the one that a reference means, pulled if need be, and the empty one for this machine's own programs."""

import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from modelyard.engines.containers.pulling import ImageArchitectureError, ImageNotFoundError
from modelyard.engines.local.sandbox import visible

if TYPE_CHECKING:
    from docker import DockerClient

_EMULATED_AS = {"amd64": "x86_64", "arm64": "aarch64"}
EMPTY = "localhost/modelyard/empty-1"  # no registry is asked for it
_EMPTY_TAG = "latest"  # Podman gives no other to what it imports


def resolve(client: "DockerClient", reference: str, *, architecture: str, pull: Callable[[str], None] | None) -> str:
    """The id of the image (`sha256:...`), which is here afterwards.

    Args:
        client: of the daemon.
        reference: of the image.
        architecture: of the daemon's machine.
        pull: fetches what is not here; None: nothing is fetched.

    Raises:
        ImageNotFoundError: it is not here and cannot be had.
        ImageArchitectureError: it is for other processors.
        ModelyardError: whatever `pull` raises.
    """
    import docker  # noqa: PLC0415

    try:
        image = client.images.get(reference)
    except docker.errors.ImageNotFound:
        if pull is None or reference.startswith("sha256:"):
            raise ImageNotFoundError(
                f"The image '{reference}' is not on this machine",
                hint="Build or load it here, or name it with its registry and let MODELYARD_CONTAINER_PULL be true.",
            ) from None
        pull(reference)
        image = client.images.get(reference)
    made_for = str(image.attrs.get("Architecture") or architecture)
    if made_for != architecture and not _is_emulated(made_for):
        raise ImageArchitectureError(
            f"The image '{reference}' is for {made_for} processors, this machine has {architecture}",
            hint=f"Build it for {architecture}, or run it on another machine.",
            field="image",
        )
    return str(image.id)


def pinned(client: "DockerClient", image_id: str) -> str:
    """The reference that means this content everywhere: `repository@sha256:...` where it has one, else its id."""
    digests = client.images.get(image_id).attrs.get("RepoDigests") or []
    return next((str(one) for one in digests if not one.startswith(("localhost/", "<none>"))), image_id)


def library_path(client: "DockerClient", image_id: str) -> str:
    """What an image says in LD_LIBRARY_PATH."""
    lines = (client.images.get(image_id).attrs.get("Config") or {}).get("Env") or []
    return next((value for name, _, value in (line.partition("=") for line in lines) if name == "LD_LIBRARY_PATH"), "")


def empty_image(client: "DockerClient") -> str:
    """Id of an image that holds nothing but the links of this machine's root folder; made here, from no registry."""
    import docker  # noqa: PLC0415

    try:
        return str(client.images.get(f"{EMPTY}:{_EMPTY_TAG}").id)
    except docker.errors.ImageNotFound:
        client.api.import_image_from_data(_root(), repository=EMPTY, tag=_EMPTY_TAG)
        return str(client.images.get(f"{EMPTY}:{_EMPTY_TAG}").id)


def _is_emulated(architecture: str) -> bool:
    """Whether the kernel was told of a program that runs those of another processor."""
    return Path("/proc/sys/fs/binfmt_misc", f"qemu-{_EMULATED_AS.get(architecture, architecture)}").exists()


def _root() -> bytes:
    """A tar file of folders to mount at, and of the links in this machine's root (`/bin` -> `usr/bin`)."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        for path in (*visible.system_paths(), "/etc", "/tmp", "/proc", "/dev", "/sys"):  # noqa: S108 - names in an image
            entry = tarfile.TarInfo(path.lstrip("/"))
            if Path(path).is_symlink():
                entry.type, entry.linkname = tarfile.SYMTYPE, str(Path(path).readlink())
            else:
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
    return target.getvalue()
