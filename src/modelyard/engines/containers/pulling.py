"""Pulls images from their registries: within a time, with credentials, saying how far it is and what was wrong."""

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

from modelyard.engines.containers.registries import Registries, RegistryRefusedError, registry_of
from modelyard.engines.containers.sockets import open_client
from modelyard.engines.local.shim.watch import in_units
from modelyard.errors import InvalidInputError, ModelyardError, NotFoundError, UnavailableError

if TYPE_CHECKING:
    from docker import DockerClient

_REPORT_SECONDS = 1.0
_HERE = ("Download complete", "Pull complete", "Already exists")
_NOT_THERE = ("manifest unknown", "not found", "name unknown", "does not exist")
_NOT_ALLOWED = ("unauthorized", "denied", "authentication", "forbidden", "no basic auth")
_NOT_FOR_US = ("no matching manifest", "no image found in manifest list", "no image found in image index")
_NOT_ENCRYPTED = "server gave HTTP response to HTTPS client"

Report = Callable[[str], None]


class ImageNotFoundError(NotFoundError):
    """The image is neither here nor in its registry."""

    code = "image_not_found"


class ImagePullFailedError(UnavailableError):
    """The registry of the image does not answer, broke off, or took too long."""

    code = "image_pull_failed"


class ImageArchitectureError(InvalidInputError):
    """The image is for another kind of processor."""

    code = "image_architecture"


class Puller:
    """Fetches images. Safe from any thread.

    Args:
        registries: who we are to them.
        limit_seconds: one image may take this long.
    """

    def __init__(self, registries: Registries, limit_seconds: float) -> None:
        self._registries = registries
        self._limit_seconds = limit_seconds

    def pull(self, url: str, reference: str, report: Report) -> None:
        """Have the daemon at `url` fetch an image; `report` is told how far it is.

        Raises:
            ContainersUnavailableError: nobody answers at `url`.
            ImageNotFoundError: the registry does not have it.
            RegistryRefusedError: it does not let us have it.
            ImageArchitectureError: it has it for other processors only.
            ImagePullFailedError: it does not answer, or not in time; try again.
        """
        credentials = self._registries.credentials(reference)
        progress, told_at = _Progress(reference), 0.0
        report(progress.words())
        # Nothing may come for as long as one large layer takes.
        with closing(open_client(url, self._limit_seconds)) as client:
            for line in _lines(client, reference, credentials, self._limit_seconds):
                if line.get("error"):  # Docker refuses with a status, Podman in the middle of the answer
                    raise refusal(reference, str(line["error"]), is_known=credentials is not None)
                progress.take(line)
                if time.monotonic() - told_at >= _REPORT_SECONDS:
                    told_at = time.monotonic()
                    report(progress.words())


def refusal(reference: str, words: str, *, is_known: bool) -> ModelyardError:
    """The error that the words of a daemon or registry mean.

    Args:
        reference: what was asked for.
        words: why it was not given.
        is_known: whether credentials were sent.
    """
    host, said = registry_of(reference), words.lower()
    if any(each in said for each in _NOT_FOR_US):
        return ImageArchitectureError(
            f"The image '{reference}' is not made for this machine's processors: {words}",
            hint="Build it for this machine's architecture, or run it on another machine.",
            field="image",
        )
    if any(each in said for each in _NOT_ALLOWED):
        who = "does not let us have" if is_known else "asks who we are before it gives"
        return RegistryRefusedError(
            f"The registry '{host}' {who} the image '{reference}': {words}",
            hint=f"Check the image's name, and log in: modelyard registries login {host} --username NAME.",
        )
    if any(each in said for each in _NOT_THERE):
        return ImageNotFoundError(
            f"The registry '{host}' has no image '{reference}': {words}", hint="Check its name and its tag."
        )
    hint = "See whether its registry is there; try again."
    if _NOT_ENCRYPTED.lower() in said:
        hint = f"'{host}' has no TLS: name it as insecure in registries.conf (Podman) or daemon.json (Docker)."
    return ImagePullFailedError(f"The image '{reference}' could not be pulled: {words}", hint=hint)


def _lines(
    client: "DockerClient", reference: str, credentials: Mapping[str, str] | None, limit_seconds: float
) -> Iterator[Mapping[str, Any]]:
    """What the daemon says during a pull. Read in a thread: a daemon that says nothing cannot be interrupted."""
    answers: queue.SimpleQueue[Mapping[str, Any] | Exception | None] = queue.SimpleQueue()
    repository, tag = split(reference)

    def read() -> None:
        try:
            for line in client.api.pull(repository, tag=tag, auth_config=credentials, stream=True, decode=True):
                answers.put(line)
            answers.put(None)
        except Exception as error:  # noqa: BLE001 - of three libraries; whoever waits says what it means
            answers.put(error)

    threading.Thread(target=read, name="pull", daemon=True).start()
    deadline = time.monotonic() + limit_seconds
    while True:
        try:
            answer = answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            raise ImagePullFailedError(
                f"The image '{reference}' was not there after {limit_seconds:g} s",
                hint="Give it longer with MODELYARD_CONTAINER_PULL_SECONDS, or pull it by hand.",
            ) from None
        if answer is None:
            return
        if isinstance(answer, Exception):
            words = str(getattr(answer, "explanation", None) or answer)
            raise refusal(reference, words, is_known=credentials is not None) from answer
        yield answer


def split(reference: str) -> tuple[str, str]:
    """Repository, and the digest or else the tag: a colon after the last slash begins the tag."""
    named, _, digest = reference.partition("@")
    head, slash, last = named.rpartition("/")
    name, _, tag = last.partition(":")
    return f"{head}{slash}{name}", digest or tag or "latest"


class _Progress:
    """How far a pull is, out of what the daemon says of each layer."""

    def __init__(self, reference: str) -> None:
        self._reference = reference
        self._layers: dict[str, tuple[int, int]] = {}
        self._here: set[str] = set()

    def take(self, line: Mapping[str, Any]) -> None:
        """Note a line."""
        layer, status = str(line.get("id", "")), str(line.get("status", ""))
        detail = line.get("progressDetail") or {}
        if status in _HERE:
            self._here.add(layer)
        if status in ("Downloading", "Pulling fs layer", *_HERE):
            before = self._layers.get(layer, (0, 0))
            self._layers[layer] = (detail.get("current", before[0]), detail.get("total", before[1]))

    def words(self) -> str:
        """A sentence without its end."""
        if not self._layers:
            return f"it pulls '{self._reference}'"
        have, total = (sum(column) for column in zip(*self._layers.values(), strict=True))
        size = f", {in_units(have)} of {in_units(total)}" if total else ""
        return f"it pulls '{self._reference}': {len(self._here)} of {len(self._layers)} layers{size}"
