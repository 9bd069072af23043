"""Gangs of images: a container for each member, on one machine, in a network of their own."""

import ipaddress
from collections.abc import Callable, Sequence

from modelyard.types.processes import GangMember, Mount

_MASTER_PORT = 29500
"""Free in every gang: its members have their network for themselves."""


def image_members(count: int, mounts: Callable[[int], Sequence[Mount]] = lambda _rank: ()) -> tuple[GangMember, ...]:
    """The members by rank, told where they are by the names that torch.distributed reads.

    Each is alone in its container and has an address of its own on the loopback that they share, so that two may
    listen on the same port.

    Args:
        count: so many.
        mounts: what the member of a rank sees otherwise than the others.
    """
    return tuple(GangMember(environment=_told(rank, count), mounts=tuple(mounts(rank))) for rank in range(count))


def member_address(rank: int) -> str:
    """Where a member may listen."""
    return str(ipaddress.IPv4Address("127.0.0.1") + rank)


def _told(rank: int, count: int) -> dict[str, str]:
    told = {
        "RANK": rank,
        "WORLD_SIZE": count,
        "LOCAL_RANK": 0,
        "LOCAL_WORLD_SIZE": 1,
        "MASTER_ADDR": member_address(0),
        "MASTER_PORT": _MASTER_PORT,
        "GLOO_SOCKET_IFNAME": "lo",
        "NCCL_SOCKET_IFNAME": "lo",
        "MODELYARD_RANK": rank,
        "MODELYARD_HOSTS": count,
        "MODELYARD_ADDRESS": member_address(rank),
    }
    return {name: str(value) for name, value in told.items()}
