"""How every process of a cluster gets in: the token, and the connection of this one."""

import contextlib
import importlib.util
import logging
import os
import secrets
import socket
import tempfile
import threading
from pathlib import Path
from types import ModuleType

from modelyard.errors import InvalidInputError, UnavailableError
from modelyard.kit.files import write_atomic
from modelyard.settings import Home

_ANSWER_SECONDS = 5.0
_connecting = threading.Lock()


class RayMissingError(InvalidInputError):
    """The engine `ray` was asked for, and Ray is not installed."""

    code = "ray_missing"


class ClusterUnavailableError(UnavailableError):
    """No Ray cluster answers at the address, or it does not take the token."""

    code = "cluster_unavailable"


def check_installed() -> None:
    """Nothing if Ray can be imported.

    Raises:
        RayMissingError: it is not there.
    """
    if importlib.util.find_spec("ray") is None:
        raise RayMissingError(
            "Ray is not installed in this environment", hint="pip install 'modelyard[ray]', on every machine."
        )


def make_token(home: Home) -> None:
    """Write the cluster's token, unless there is one."""
    home.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not home.cluster_token.exists():
        write_atomic(home.cluster_token, secrets.token_hex(32).encode(), mode=0o600)


def environment(home: Home) -> dict[str, str]:
    """Variables with which Ray's processes of this cluster are started. Ray takes nobody in without the token."""
    own = {"RAY_AUTH_MODE": "token", "RAY_USAGE_STATS_ENABLED": "0", "RAY_DISABLE_IMPORT_WARNING": "1"}
    if "RAY_AUTH_TOKEN" not in os.environ:
        own["RAY_AUTH_TOKEN_PATH"] = os.environ.get("RAY_AUTH_TOKEN_PATH", str(home.cluster_token))
    return own


def connect(home: Home, address: str) -> ModuleType:
    """Ray, with this process connected to the cluster; once for each process.

    Args:
        home: has the token.
        address: host:port of the head.

    Raises:
        RayMissingError: Ray is not installed.
        ClusterUnavailableError: nothing answers, or this machine is no part of the cluster, or the token is wrong.
    """
    check_installed()
    with _connecting:
        os.environ.update(environment(home))  # before the import, at which Ray reads it
        import ray  # noqa: PLC0415 - an extra, and 1 s

        library: ModuleType = ray
        if not library.is_initialized():
            _initialize(library, address, _own_ip(address))
    return library


def _initialize(ray: ModuleType, address: str, own_ip: str) -> None:
    # Not in the main thread: Ray would put its own handler of SIGTERM in the place of the program's, and warns of it.
    logging.getLogger("ray").setLevel(logging.ERROR)
    failure: list[BaseException] = []

    def initialize() -> None:
        try:
            ray.init(address=address, log_to_driver=False, configure_logging=False, _node_ip_address=own_ip)
        except BaseException as error:  # noqa: BLE001 - told to whoever waits
            failure.append(error)

    thread = threading.Thread(target=initialize, name="connects to the cluster")
    thread.start()
    thread.join()
    if failure:
        with contextlib.suppress(Exception):
            ray.shutdown()
        raise ClusterUnavailableError(
            f"This machine cannot join the Ray cluster at {address}: {_first_line(failure[0])}",
            hint="It has to run a node of the cluster, with the same token: `modelyard cluster start`.",
        ) from failure[0]


def _own_ip(address: str) -> str:
    """By which address this machine reaches the head: its node has it too. Finds out at once whether anything answers.

    Raises:
        ClusterUnavailableError: nothing does.
    """
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), _ANSWER_SECONDS) as connection:
            return str(connection.getsockname()[0])
    except (OSError, ValueError) as error:
        raise ClusterUnavailableError(
            f"Nothing answers at the Ray cluster's address '{address}': {error}",
            hint="Start one with `modelyard cluster start`, or give host:port of another one's head.",
        ) from error


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def own_folder(name: str) -> Path:
    """A folder for Ray's sockets, whose paths must be short, seen by this user only."""
    return Path(tempfile.gettempdir()) / f"modelyard-ray-{os.getuid()}-{name}"
