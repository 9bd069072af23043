"""Images: the one that a reference means, pulled if need be, and the empty one for this machine's own programs."""

import io
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

from modelyard.engines.local.sandbox import visible
from modelyard.errors import ModelyardError, NotFoundError, UnavailableError

if TYPE_CHECKING:
    from docker import DockerClient

_WORDS_OF_REFUSAL = ("denied", "unauthorized", "authentication", "not found", "manifest unknown")
EMPTY = "localhost/modelyard/empty-1"  # no registry is asked for it
_EMPTY_TAG = "latest"  # Podman gives no other to what it imports


class ImageNotFoundError(NotFoundError):
    """The image is neither here nor in its registry, or the registry does not show it to us."""

    code = "image_not_found"


class ImagePullFailedError(UnavailableError):
    """The registry of the image does not answer, or broke off."""

    code = "image_pull_failed"


def resolve(client: "DockerClient", reference: str, *, may_pull: bool) -> str:
    """The id of the image (`sha256:...`), which is here afterwards.

    Raises:
        ImageNotFoundError: it is not here and cannot be had.
        ImagePullFailedError: its registry does not answer; try again.
    """
    import docker  # noqa: PLC0415

    try:
        return str(client.images.get(reference).id)
    except docker.errors.ImageNotFound:
        pass
    if not may_pull or reference.startswith("sha256:"):
        raise ImageNotFoundError(
            f"The image '{reference}' is not on this machine",
            hint="Build or load it here, or name it with its registry and let MODELYARD_CONTAINER_PULL be true.",
        )
    return _pull(client, reference)


def pinned(client: "DockerClient", image_id: str) -> str:
    """The reference that means this content everywhere: `repository@sha256:...` where it has one, else its id."""
    digests = client.images.get(image_id).attrs.get("RepoDigests") or []
    return next((str(one) for one in digests if not one.startswith(("localhost/", "<none>"))), image_id)


def empty_image(client: "DockerClient") -> str:
    """Id of an image that holds nothing but the links of this machine's root folder; made here, from no registry."""
    import docker  # noqa: PLC0415

    try:
        return str(client.images.get(f"{EMPTY}:{_EMPTY_TAG}").id)
    except docker.errors.ImageNotFound:
        client.api.import_image_from_data(_root(), repository=EMPTY, tag=_EMPTY_TAG)
        return str(client.images.get(f"{EMPTY}:{_EMPTY_TAG}").id)


def _pull(client: "DockerClient", reference: str) -> str:
    """Credentials are those of `docker login` (DOCKER_CONFIG)."""
    import docker  # noqa: PLC0415

    repository, tag = _split(reference)
    try:
        # Docker refuses with a status, Podman in the middle of the answer.
        for line in client.api.pull(repository, tag=tag, stream=True, decode=True):
            if line.get("error"):
                raise _refusal(reference, str(line["error"]))
        return str(client.images.get(reference).id)
    except docker.errors.APIError as error:
        raise _refusal(reference, str(error.explanation or error)) from error
    except (docker.errors.DockerException, OSError) as error:
        raise _refusal(reference, str(error)) from error


def _refusal(reference: str, words: str) -> ModelyardError:
    if any(word in words for word in _WORDS_OF_REFUSAL):
        return ImageNotFoundError(
            f"The registry does not give the image '{reference}': {words}",
            hint="Check its name, and `docker login` as the user that runs the platform, if it is private.",
        )
    return ImagePullFailedError(
        f"The image '{reference}' could not be pulled: {words}", hint="See whether its registry is there; try again."
    )


def _split(reference: str) -> tuple[str, str]:
    """Repository and tag or digest: a colon after the last slash begins the tag."""
    if "@" in reference:
        repository, _, digest = reference.partition("@")
        return repository, digest
    head, slash, last = reference.rpartition("/")
    name, _, tag = last.partition(":")
    return f"{head}{slash}{name}", tag or "latest"


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
