"""How the relays of a gang find each other: each says in the shared records where it listens, and knows the keys.

Of two members the one of higher rank connects. It says the key of whom it calls, then its own rank.
"""

import contextlib
import socket
import time

from modelyard.engines.base import ProcessNotFoundError
from modelyard.engines.ray.records import Records
from modelyard.kit.addresses import bound_socket
from modelyard.kit.handover import LINE_BYTES, first_line, is_first_line, notice_loss
from modelyard.types.compute.gangs import LARGEST_GANG, Membership

_LOOK_SECONDS = 0.1
_PATIENCE_SECONDS = 5.0


class Meeting:
    """Connects one member with all others.

    Args:
        records: of the cluster; every member has one there.
        membership: whose connections these are.
        host: address of this machine by which the others reach it.
    """

    def __init__(self, records: Records, membership: Membership, host: str) -> None:
        self._records = records
        self._own = membership
        self._host = host
        self._found: dict[int, socket.socket] = {}

    def hold(self) -> dict[int, socket.socket]:
        """The connections, by rank; waits for as long as it takes the others to be there."""
        with bound_socket(self._host, 0) as listening:
            listening.listen(LARGEST_GANG)
            listening.settimeout(_LOOK_SECONDS)
            port = listening.getsockname()[1]
            self._records.note_relay(self._own.members[self._own.rank], f"{self._host}:{port}")
            while len(self._found) < len(self._own.members) - 1:
                with contextlib.suppress(TimeoutError):
                    self._admit(listening.accept()[0])
                for rank in range(self._own.rank):
                    if rank not in self._found:
                        self._call(rank)
        for connection in self._found.values():
            connection.settimeout(None)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            notice_loss(connection)
        return self._found

    def _admit(self, connection: socket.socket) -> None:
        """Keep a connection whose caller knows the key and is one that should call."""
        connection.settimeout(_PATIENCE_SECONDS)
        line, rank = b"", -1
        with contextlib.suppress(OSError):
            line = connection.recv(LINE_BYTES, socket.MSG_WAITALL)
            rank = int.from_bytes(connection.recv(1), "big")
        is_expected = self._own.rank < rank < len(self._own.members) and rank not in self._found
        if is_expected and is_first_line(line, self._key(self._own.rank)):
            self._found[rank] = connection
        else:
            connection.close()

    def _call(self, rank: int) -> None:
        """Connect with a member of lower rank, if it is there."""
        address = self._records.relay(self._own.members[rank])
        if not address:
            return
        host, _, port = address.rpartition(":")
        with contextlib.suppress(OSError, ProcessNotFoundError):
            key = self._key(rank)
            connection = socket.create_connection((host, int(port)), _PATIENCE_SECONDS)
            connection.sendall(first_line(key) + bytes([self._own.rank]))
            self._found[rank] = connection

    def _key(self, rank: int) -> str:
        return self._records.record(self._own.members[rank]).key


def has_ended(records: Records, member: str, patience_seconds: float) -> bool:
    """Whether a member whose connection is gone has an account of its end, or gets one within this time."""
    deadline = time.monotonic() + patience_seconds
    while time.monotonic() < deadline:
        if records.end(member) is not None or not records.exists(member):
            return True
        time.sleep(_LOOK_SECONDS)
    return False
