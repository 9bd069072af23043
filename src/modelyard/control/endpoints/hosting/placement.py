"""Chooses the host of a replica. Pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass

from modelyard.control.endpoints.hosting.policy import HostingPolicy
from modelyard.control.endpoints.records import ReplicaRecord
from modelyard.types.endpoints import ReplicaStatus

_GROWTH = 6  # a forest of 3.1 MB takes 17 MB in memory, a linear model of 1 kB takes 100 kB
_LEAST_GROWTH_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class HostView:
    """A living host, as far as placing needs to know it.

    Attributes:
        project: whose models it serves or has served; empty for a fresh one.
        residents: replicas that it serves or is to serve.
    """

    id: str
    project: str
    residents: tuple[ReplicaRecord, ...] = ()
    is_listening: bool = True
    resident_bytes: int = 0
    busy_share: float = 0.0

    @property
    def is_fresh(self) -> bool:
        """It has never served anything."""
        return not self.residents and not self.project


def choose(
    hosts: Sequence[HostView], replica: ReplicaRecord, *, size_bytes: int, is_alone: bool, policy: HostingPolicy
) -> str | None:
    """The host for a replica; None if a new one is needed.

    Models share a host with others of their project only, and never with another replica of their own version: that
    would give it no second processor and take both down at once. Hosts are filled one after another, so that few run.
    """
    if not is_alone:
        growth = max(_LEAST_GROWTH_BYTES, _GROWTH * size_bytes)
        fitting = [host for host in hosts if _fits(host, replica, growth, policy)]
        if fitting:
            return max(fitting, key=lambda host: (len(host.residents), host.id)).id
    fresh = [host for host in hosts if host.is_fresh]
    return max(fresh, key=lambda host: host.is_listening).id if fresh else None


def surplus(hosts: Sequence[HostView], spare_workers: int) -> list[str]:
    """Hosts to end: those that have served and are empty now, and fresh ones beyond the number wanted."""
    empty = [host.id for host in hosts if not host.residents and host.project]
    fresh = [host.id for host in sorted(hosts, key=lambda host: host.id) if host.is_fresh]
    return [*empty, *fresh[spare_workers:]]


def _fits(host: HostView, replica: ReplicaRecord, growth: int, policy: HostingPolicy) -> bool:
    if not host.residents or any(resident.has_own_host for resident in host.residents):
        return False
    if host.project not in ("", replica.project) or host.residents[0].project != replica.project:
        return False
    staying = (resident for resident in host.residents if resident.status is not ReplicaStatus.DRAINING)
    if any(_is_sibling(resident, replica) for resident in staying):
        return False
    is_small_enough = host.resident_bytes + growth <= policy.host_memory_bytes
    return is_small_enough and len(host.residents) < policy.most_models and host.busy_share < policy.most_busy_share


def _is_sibling(one: ReplicaRecord, other: ReplicaRecord) -> bool:
    """Two replicas of the same version at the same endpoint."""
    slots = one.slot, other.slot
    names = [(slot.variant, slot.model, slot.number) for slot in slots]
    return one.endpoint == other.endpoint and names[0] == names[1]
