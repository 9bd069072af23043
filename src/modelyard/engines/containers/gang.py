"""Plans the members of a gang: a container for each, all in the network of one more, in which nobody else is."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from modelyard.engines.machines import Gpu
from modelyard.types.processes import GangMember, Mount, Resources

HOLDER_LIMITS = Resources(cpus=0.1, memory_bytes=32 << 20, max_processes=4)
_FIRST = ["/bin/sleep", "infinity"]


def holder_options(mounts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A container that holds the network, so that members may come and go in any order. It has loopback only."""
    return {"network_mode": "none", "environment": {}, "mounts": [*mounts], "entrypoint": [*_FIRST]}


def member_options(
    own: Mapping[str, Any], member: GangMember, mounts: Sequence[Mapping[str, Any]], network: str
) -> dict[str, Any]:
    """What is particular to a member, over what the process says of all of them.

    Args:
        own: that, without limits.
        member: the member.
        mounts: its own, as the API has them.
        network: the mode that joins the holder's network.
    """
    replaced = {mount["Target"] for mount in mounts}
    kept = [mount for mount in own["mounts"] if mount["Target"] not in replaced]
    environment = {**own["environment"], **member.environment}
    return {**own, "network_mode": network, "environment": environment, "mounts": [*kept, *mounts]}


def part_of(together: Resources, count: int) -> Resources:
    """The limits of one member, of those of all."""
    return replace(
        together,
        cpus=None if together.cpus is None else together.cpus / count,
        memory_bytes=None if together.memory_bytes is None else together.memory_bytes // count,
        max_processes=max(1, together.max_processes // count),
        gpus=together.gpus / count,
    )


def gpus_of_member(gpus: Sequence[Gpu], rank: int, count: int) -> Sequence[Gpu]:
    """Its accelerators: an equal part of them, or all that there are if they are fewer than members."""
    each = len(gpus) // count
    return gpus[rank * each : (rank + 1) * each] if each else gpus


def mounts_of(members: Sequence[GangMember]) -> list[Mount]:
    """Of all members."""
    return [mount for member in members for mount in member.mounts]
