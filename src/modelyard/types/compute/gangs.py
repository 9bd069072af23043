"""Processes of one job on several machines, and how they reach each other."""

from dataclasses import dataclass

INTERFACE = "gang0"
"""The network interface by which a member reaches the others; there is no other way out of its sandbox but loopback."""

LARGEST_GANG = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """A process's place in its gang.

    Attributes:
        rank: from 0.
        members: the engine's names of the processes of all members, by rank.
    """

    rank: int
    members: tuple[str, ...]

    @property
    def address(self) -> str:
        """Its own address in the gang's network."""
        return address_of(self.rank)


def address_of(rank: int) -> str:
    """The address of a member: the same in every gang, for no two gangs see each other."""
    return f"10.111.0.{rank + 1}"


def rank_of(address: bytes) -> int:
    """The member whose address this is, in network order; what is nobody's gives a rank that nobody has."""
    return address[3] - 1 if address[:3] == bytes((10, 111, 0)) else -1
