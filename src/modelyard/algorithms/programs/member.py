"""Runs one member of a gang whose members are on several machines: `python -I member.py ADDRESS COMMAND...`.

Waits until the network to the others is there, runs the command, and stays until all that it has sent has arrived:
the sandbox's network ends with its last process. Standard library only: it is run by its path.
"""

import contextlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

_LOOK_SECONDS = 0.05
_LINGER_SECONDS = 10.0
_LAST_PACKETS_SECONDS = 0.2
_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
_QUEUES = 4  # column of "tx_queue:rx_queue", in hexadecimal


def main(address: str, command: Sequence[str]) -> int:
    """Run a member; its exit code, or as shells say it 128 and the number of the signal that ended it."""
    while not _has(address):
        time.sleep(_LOOK_SECONDS)
    signal.signal(signal.SIGTERM, lambda *_: None)  # the command gets it too, and says when it is done
    code = subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode
    deadline = time.monotonic() + _LINGER_SECONDS
    while _is_sending() and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
    time.sleep(_LAST_PACKETS_SECONDS)
    return code if code >= 0 else 128 - code


def _has(address: str) -> bool:
    """Whether an interface has this address."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def _is_sending() -> bool:
    """Whether something that was sent has not arrived yet."""
    for name in _TABLES:
        with contextlib.suppress(FileNotFoundError), Path(name).open(encoding="ascii") as table:
            next(table)
            if any(int(line.split()[_QUEUES].partition(":")[0], 16) for line in table):
                return True
    return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
