"""Carries the packets of a member's interface to the other members, over one connection to each."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping

from modelyard.engines.ray.gangs import interface
from modelyard.engines.ray.gangs.errors import GangNetworkUnavailableError
from modelyard.types.compute.gangs import address_of, rank_of

_LENGTH_BYTES = 4
_DESTINATION = slice(16, 20)  # of an IPv4 header, RFC 791
_VERSION_4 = 4
_START_SECONDS = 30.0


def check_possible() -> None:
    """Nothing if this machine has interfaces for gangs.

    Raises:
        GangNetworkUnavailableError: it has none, or not for this user.
    """
    try:
        os.close(os.open(interface.DEVICE, os.O_RDWR))
    except OSError as error:
        raise GangNetworkUnavailableError(
            f"This machine cannot connect a member of a gang with other machines: {interface.DEVICE}: {error.strerror}",
            hint="`modprobe tun`, and give the platform's user the device; or run all members on one machine.",
        ) from error


def open_interface(pid: int, rank: int) -> int:
    """The descriptor of a new interface in the sandbox of a process.

    Raises:
        GangNetworkUnavailableError: it cannot be made.
    """
    ours, theirs = socket.socketpair()
    with ours, theirs:
        words = [sys.executable, "-I", "-S", interface.__file__, str(pid), address_of(rank), str(theirs.fileno())]
        done = subprocess.run(
            words, pass_fds=[theirs.fileno()], capture_output=True, text=True, timeout=_START_SECONDS, check=False
        )
        if done.returncode == 0:
            _, (descriptor,), _, _ = socket.recv_fds(ours, 1, 1)
            return descriptor
    lines = done.stderr.strip().splitlines() or ["no reason was given"]
    raise GangNetworkUnavailableError(
        f"The network of a member of a gang could not be made: {lines[-1]}",
        hint="Run all members on one machine: the placement SAME_NODE.",
    )


class Relay:
    """The threads that carry: one takes what the member sends, one for each other member brings what that one sends.

    A packet that cannot be delivered is dropped, as on any network; TCP inside sends it again.

    Args:
        descriptor: of the member's interface.
        connections: to the relays of the others, by rank.
        on_loss: is told the rank of a member whose connection has ended.
    """

    def __init__(
        self, descriptor: int, connections: Mapping[int, socket.socket], on_loss: Callable[[int], None]
    ) -> None:
        self._interface = descriptor
        self._connections = dict(connections)
        self._on_loss = on_loss

    def start(self) -> None:
        """Begin; it ends with this process."""
        threading.Thread(target=self._send, name="sends", daemon=True).start()
        for rank in self._connections:
            threading.Thread(target=self._bring, args=(rank,), name=f"brings {rank}", daemon=True).start()

    def _send(self) -> None:
        while packet := self._next():
            connection = self._connections.get(rank_of(packet[_DESTINATION]))
            if connection is not None and packet[0] >> 4 == _VERSION_4:
                with contextlib.suppress(OSError):  # it has ended: whoever brings from there says so
                    connection.sendall(len(packet).to_bytes(_LENGTH_BYTES, "big") + packet)

    def _next(self) -> bytes:
        """What the member sends next; nothing once its network is gone."""
        with contextlib.suppress(OSError):
            return os.read(self._interface, interface.MTU)
        return b""

    def _bring(self, rank: int) -> None:
        connection = self._connections[rank]
        with contextlib.suppress(OSError), connection.makefile("rb", buffering=1 << 20) as incoming:
            while header := incoming.read(_LENGTH_BYTES):
                packet = incoming.read(int.from_bytes(header, "big"))
                with contextlib.suppress(OSError):  # the kernel takes no such packet, or the network is gone
                    os.write(self._interface, packet)
        self._on_loss(rank)
