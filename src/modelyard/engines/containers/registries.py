"""Who we are to registries of images: names and passwords in one file of the state directory, private to its owner.

The file has the form of Docker's `config.json`, so other programs can read it (`podman --authfile`). Whoever is not
named there is asked as `docker login` says, by the library.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx

from modelyard.engines.containers.sockets import find_socket, open_client
from modelyard.errors import InvalidInputError, ModelyardError, PermissionDeniedError
from modelyard.kit.files import write_atomic

_DOCKER_HUB = "docker.io"
_PLAIN = "http://"
_ANSWER_SECONDS = 30.0
_DOCKER_HUB_NAMES = (_DOCKER_HUB, "index.docker.io", "registry-1.docker.io", "")


class RegistryRefusedError(PermissionDeniedError):
    """The registry does not know us, or does not let us have this image."""

    code = "registry_refused"


class CredentialsDamagedError(ModelyardError):
    """The file of credentials cannot be read."""

    code = "registry_credentials_damaged"


class Registries:
    """Names and passwords by registry. Reads the file at every question, so that a login counts at once.

    Args:
        path: of the file, which need not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def users(self) -> Mapping[str, str]:
        """Names by registry.

        Raises:
            CredentialsDamagedError: the file cannot be read.
        """
        return {host: self._decoded(host, entry)[0] for host, entry in sorted(self._read().items())}

    def credentials(self, reference: str) -> dict[str, str] | None:
        """`username` and `password` for the registry of this image; None if none were given.

        Raises:
            CredentialsDamagedError: the file cannot be read.
        """
        host = registry_of(reference)
        entry = self._read().get(host)
        if entry is None:
            return None
        username, password = self._decoded(host, entry)
        return {"username": username, "password": password}

    def add(self, host: str, username: str, password: str) -> None:
        """Keep them; they take the place of earlier ones."""
        token = base64.b64encode(f"{username}:{password}".encode()).decode()
        self._write({**self._read(), _registry(host): {"auth": token}})

    def remove(self, host: str) -> bool:
        """Forget them; whether there were any."""
        entries = self._read()
        was_there = entries.pop(_registry(host), None) is not None
        if was_there:
            self._write(entries)
        return was_there

    def _read(self) -> dict[str, Any]:
        try:
            return dict(json.loads(self._path.read_bytes())["auths"])
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise self._damaged() from error

    def _decoded(self, host: str, entry: Any) -> tuple[str, str]:
        try:
            username, _, password = base64.b64decode(entry["auth"]).decode().partition(":")
        except (KeyError, TypeError, ValueError, binascii.Error) as error:
            raise self._damaged(f" at '{host}'") from error
        return username, password

    def _write(self, entries: Mapping[str, Any]) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomic(self._path, json.dumps({"auths": entries}, indent=1).encode(), mode=0o600)

    def _damaged(self, where: str = "") -> CredentialsDamagedError:
        return CredentialsDamagedError(
            f"The credentials of registries in {self._path} cannot be read{where}",
            hint="Remove the file and log in again: modelyard registries login HOST --username NAME.",
        )


def check_login(socket: str, host: str, username: str, password: str) -> None:
    """Nothing if the registry knows this name and password. By TLS the daemon asks, with the certificates it trusts.

    Args:
        socket: the setting of where the daemon listens.
        host: of the registry; with `http://` in front, the password may travel in clear text.
        username: there.
        password: there.

    Raises:
        ContainersUnavailableError: no Docker or Podman is there to ask.
        RegistryRefusedError: the registry does not accept them, or does not answer.
    """
    import docker  # noqa: PLC0415 - an extra

    if host.startswith(_PLAIN):  # Podman's daemon asks by TLS only, whatever it pulls by
        fault = _plain_fault(_registry(host), username, password)
        if fault:
            raise _refused(host, username, fault)
        return
    with closing(open_client(find_socket(socket))) as client:
        try:
            client.login(username=username, password=password, registry=_registry(host), reauth=True)
        except docker.errors.APIError as error:
            raise _refused(host, username, str(error.explanation or error)) from error


def _plain_fault(host: str, username: str, password: str) -> str:
    """Why a registry without TLS does not accept this name and password; empty if it does.

    Source: OCI distribution specification, "Determining Support" (`/v2/`); Docker's token authentication.
    """
    try:
        answer = httpx.get(f"{_PLAIN}{host}/v2/", auth=(username, password), timeout=_ANSWER_SECONDS)
        challenge = dict(re.findall(r'(\w+)="([^"]*)"', answer.headers.get("WWW-Authenticate", "")))
        if answer.headers.get("WWW-Authenticate", "").startswith("Bearer ") and "realm" in challenge:
            service = {"service": challenge.get("service", "")}
            answer = httpx.get(challenge["realm"], params=service, auth=(username, password), timeout=_ANSWER_SECONDS)
    except httpx.HTTPError as error:
        return f"it does not answer: {error}"
    return "" if answer.is_success else f"HTTP {answer.status_code} {answer.reason_phrase}"


def _refused(host: str, username: str, why: str) -> RegistryRefusedError:
    return RegistryRefusedError(
        f"The registry '{host}' does not accept '{username}': {why}",
        hint=f"Check the user's name and the password. A registry without TLS is named {_PLAIN}HOST.",
    )


def registry_of(reference: str) -> str:
    """Host of the registry that a reference names, by the rule of Docker: `repository` alone is on Docker's own."""
    first, slash, _ = reference.partition("/")
    is_host = bool(slash) and ("." in first or ":" in first or first == "localhost")
    return _registry(first) if is_host else _DOCKER_HUB


def _registry(host: str) -> str:
    """One name for each registry.

    Raises:
        InvalidInputError: it is not the name of a host.
    """
    name = host.strip().removeprefix("https://").removeprefix(_PLAIN).rstrip("/")
    if "/" in name or any(sign.isspace() for sign in name):
        raise InvalidInputError(f"'{host}' is not a registry", hint="Give its host: registry.example.com:5000.")
    return _DOCKER_HUB if name in _DOCKER_HUB_NAMES else name
