"""Unix sockets of other processes."""

import socket
from pathlib import Path


def listens(path: Path) -> bool:
    """Whether somebody takes connections there. Asked before httpx is: it leaves a socket open where nobody does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(5.0)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True
