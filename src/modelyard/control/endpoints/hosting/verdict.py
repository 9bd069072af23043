"""What the end of a host means for a replica that was in it."""

from dataclasses import dataclass

from modelyard.control.endpoints.hosting.hosts import Hosts
from modelyard.control.endpoints.records import ReplicaRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whose fault an end is.

    Attributes:
        words: put before the account of the end.
        is_counted: it counts as a failure of the replica, which then waits before it is tried again.
        is_fault: the replica's model was at work when its host ended.
    """

    words: str = ""
    is_counted: bool = True
    is_fault: bool = False


def verdict_of(hosts: Hosts, replica: ReplicaRecord) -> Verdict:
    """The model that was at work is suspected, the others are brought back at once; if none was, all count it."""
    if replica.host is None:
        return Verdict()
    suspects = hosts.at_work(replica.host)
    if any(hosts.is_place_of(place, replica.id) for place in suspects):
        others = len(suspects) > 1
        also = ", together with others" if others else ""
        return Verdict(words=f"its model host ended while it was at work{also}: ", is_fault=True)
    if suspects:
        names = " and ".join(sorted(suspects.values()))
        return Verdict(words=f"the model host that it shared ended while {names} was at work: ", is_counted=False)
    return Verdict(words="its model host ended: ")
