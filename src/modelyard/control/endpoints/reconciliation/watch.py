"""What ready workers say of themselves: whether they still live, and whether they answer NaN."""

from modelyard.dataplane.vitals import Vitals
from modelyard.kit.clock import Clock


class ReplicaWatch:
    """Judges the signs of life of workers. What it remembers may be lost at any moment.

    Args:
        clock: its monotonic time is the machine's, which the workers write too.
        silence_seconds: how long a sign must have been overdue, so that a moment in which the whole machine stood still
            ends nobody.
    """

    def __init__(self, clock: Clock, silence_seconds: float) -> None:
        self._clock = clock
        self._silence_seconds = silence_seconds
        self._overdue_since: dict[str, float] = {}

    def fault(self, replica_id: str, vitals: Vitals | None) -> str:
        """Why the worker counts as hanging, in words; empty while it lives, or has not promised anything yet."""
        now = self._clock.monotonic()
        if vitals is None or vitals.alive_until >= now:
            self._overdue_since.pop(replica_id, None)
            return ""
        since = self._overdue_since.setdefault(replica_id, now)
        if now - since < self._silence_seconds:
            return ""
        return "its worker hangs: it is there, but gives no sign of life any more, so it was ended"

    @staticmethod
    def remark(vitals: Vitals | None) -> str:
        """What callers of a worker that works should know, in words; most often nothing."""
        if vitals is None:
            return ""
        if not vitals.nan_output:
            return vitals.remark
        return f"it answered NaN in output '{vitals.nan_output}', where none of its golden answers has any"

    def forget(self, replica_id: str) -> None:
        """The replica is gone."""
        self._overdue_since.pop(replica_id, None)
