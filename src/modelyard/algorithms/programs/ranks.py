"""Runs the members of a gang beside each other in one sandbox: `python -I ranks.py COUNT FOLDER COMMAND...`.

Each gets its rank and the way to the others under the names that torch.distributed uses. Every line of their output is
passed on behind "[rank] ", but for the metrics of rank 0, which are those of the job. The first to fail ends all; which
one that was, and how, is left in FOLDER/.ranks.json. Standard library only: it is run by its path.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import IO

ACCOUNT = ".ranks.json"
_ADDRESS = "127.0.0.1"
_METRIC = b"metric "
_GRACE_SECONDS = 15.0  # of the twenty that a preempted job has
_LOOK_SECONDS = 0.1


class Gang:
    """The members, from their start to the last one's end."""

    def __init__(self, count: int, folder: Path, command: Sequence[str]) -> None:
        self._folder = folder
        self._turn = threading.Lock()
        self._is_stopping = False
        self._kill_at: float | None = None
        port = _free_port()
        self._members = [self._start(rank, count, port, command) for rank in range(count)]
        self._readers = [
            threading.Thread(target=self._read, args=(rank, member.stdout), daemon=True)
            for rank, member in enumerate(self._members)
        ]
        for thread in self._readers:
            thread.start()

    def stop(self, _number: int, _frame: FrameType | None) -> None:
        """All were asked to end: they are of one process group, so the signal has reached each."""
        self._is_stopping = True
        self._kill_at = time.monotonic() + _GRACE_SECONDS

    def wait(self) -> int:
        """Until all have ended; the exit code of the first that failed, 0 if none did."""
        code, running = 0, dict(enumerate(self._members))
        while running:
            for rank, member in [*running.items()]:
                if member.poll() is None:
                    continue
                del running[rank]
                if member.returncode and not code and not self._is_stopping:
                    code = self._fail(rank, member.returncode)
            if self._kill_at is not None and time.monotonic() > self._kill_at:
                self._kill_at = None
                self._signal(signal.SIGKILL)
            time.sleep(_LOOK_SECONDS)
        for thread in self._readers:
            thread.join(_GRACE_SECONDS)
        return 128 + signal.SIGTERM if self._is_stopping and not code else code

    def _start(self, rank: int, count: int, port: int, command: Sequence[str]) -> "subprocess.Popen[bytes]":
        told = {
            "RANK": rank,
            "LOCAL_RANK": rank,
            "WORLD_SIZE": count,
            "LOCAL_WORLD_SIZE": count,
            "MASTER_ADDR": _ADDRESS,
            "MASTER_PORT": port,
            "GLOO_SOCKET_IFNAME": "lo",  # else it asks for the address of the machine's name, which nobody knows here
            "MODELYARD_RANK": rank,
            "MODELYARD_HOSTS": count,
            "MODELYARD_ADDRESS": _ADDRESS,
        }
        environment = os.environ | {name: str(value) for name, value in told.items()}
        return subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def _fail(self, rank: int, code: int) -> int:
        """Say who failed and end the others."""
        how = f"exit code {code}" if code > 0 else f"signal {-code} ({signal.Signals(-code).name})"
        message = f"Rank {rank} of {len(self._members)} ended with {how}; the others were ended with it."
        (self._folder / ACCOUNT).write_text(json.dumps({"message": message}), encoding="utf-8")
        self._say(f"{message}\n".encode())
        self._signal(signal.SIGTERM)
        self._kill_at = time.monotonic() + _GRACE_SECONDS
        return code if code > 0 else 128 - code

    def _signal(self, number: signal.Signals) -> None:
        for member in self._members:
            if member.poll() is None:
                member.send_signal(number)

    def _read(self, rank: int, output: IO[bytes]) -> None:
        prefix = f"[{rank}] ".encode()
        for line in output:
            whole = line if line.endswith(b"\n") else line + b"\n"
            self._say(whole if rank == 0 and line.startswith(_METRIC) else prefix + whole)

    def _say(self, line: bytes) -> None:
        with self._turn:
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()


def _free_port() -> int:
    """A port of the sandbox's own loopback."""
    with socket.create_server((_ADDRESS, 0)) as server:
        return int(server.getsockname()[1])


def main(count: int, folder: Path, command: Sequence[str]) -> int:
    """Run a gang; its exit code."""
    gang = Gang(count, folder, command)
    signal.signal(signal.SIGTERM, gang.stop)
    return gang.wait()


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]))
