"""Finds out whether every node can run this platform's processes: `python -m modelyard.engines.ray.check --home DIR`.

A process on a node needs what it would need on this machine: the state directory at the same path with the same
content, and this Python with this package in it. Exit code 1: a sentence on standard output, and what to do in the
next line.
"""

import argparse
import os
import sys
from pathlib import Path
from types import ModuleType

from modelyard import __version__
from modelyard.engines.ray import access, listing
from modelyard.engines.ray.placement import pinned
from modelyard.errors import ModelyardError, UnavailableError
from modelyard.kit.files import write_atomic
from modelyard.settings import Home

_PATIENCE_SECONDS = 90.0
_PROBE = ".probe"


class NodeBlindError(UnavailableError):
    """A node of the cluster does not see the state directory, or has another installation."""

    code = "node_blind"


def check_nodes(home: Home, ray: ModuleType) -> None:
    """Nothing if every living node sees what its processes will need.

    Raises:
        NodeBlindError: one does not.
    """
    check_sockets(home)
    home.create()
    content = os.urandom(16).hex()
    path = home.run / _PROBE
    write_atomic(path, content.encode(), mode=0o600)
    nodes = [node for node in ray.nodes() if node["Alive"]]
    look = ray.remote(_look)
    answers = {
        look.options(num_cpus=0, scheduling_strategy=pinned(ray, node["NodeID"])).remote(
            str(path), content, sys.executable, __version__
        ): node["NodeManagerAddress"]
        for node in nodes
    }
    try:
        done, _ = ray.wait(list(answers), num_returns=len(answers), timeout=_PATIENCE_SECONDS)
        for answer, ip in answers.items():
            _judge(ray, answer, ip, is_done=answer in done)
    finally:
        path.unlink(missing_ok=True)


def check_sockets(home: Home) -> None:
    """Nothing if the folder of sockets, in which replicas have their files, lies in the state directory.

    Raises:
        NodeBlindError: its path is too long for that.
    """
    if not home.sockets.is_relative_to(home.root):
        raise NodeBlindError(
            f"The path of the state directory is too long for sockets in it: {home.root}",
            hint="On a cluster everything lies in the state directory: give a shorter --home (45 characters are safe).",
        )


def _judge(ray: ModuleType, answer: object, ip: str, *, is_done: bool) -> None:
    try:
        fault = str(ray.get(answer)) if is_done else f"it did not answer within {_PATIENCE_SECONDS:.0f} s"
    except ray.exceptions.RayError as error:  # most often: this package cannot be imported there
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        fault = f"it cannot run this platform's code: {lines[-1] if lines else type(error).__name__}"
    if fault:
        raise NodeBlindError(
            f"The node {ip} cannot run this platform's processes: {fault}",
            hint="Give every node the state directory at the same path (a shared file system such as NFS) and the same "
            "installation, or end that node.",
        )


def _look(path: str, content: str, executable: str, version: str) -> str:
    """On a node: what is missing there, in words."""
    try:
        found = Path(path).read_text()
    except OSError as error:
        return f"it does not see the state directory: {path}: {error.strerror}"
    if found != content:
        return f"at the path of the state directory it has another one: {Path(path).parent.parent}"
    if not os.access(executable, os.X_OK):
        return f"it has no {executable}"
    return "" if __version__ == version else f"it has Modelyard {__version__}, not {version}"


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--address", default="")
    arguments = parser.parse_args()
    home = Home(arguments.home)
    try:
        check_sockets(home)
        check_nodes(home, access.connect(home, listing.address_of(home, arguments.address)))
    except ModelyardError as error:
        sys.stdout.write(f"{error.message}\n{error.hint}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
