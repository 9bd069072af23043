"""What was seen, counted; and what must not be."""

from collections import Counter
from dataclasses import dataclass, field

_KEPT_FAULTS = 50


@dataclass
class Ledger:
    """Counts of a run. Added to by the clients' event loop and by the disturber's thread, each to keys of its own.

    Attributes:
        counts: what happened how often.
        refusals: answers that are an error, by code.
        faults: what broke a promise; the first ones, in words.
    """

    counts: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    @property
    def unaccounted(self) -> int:
        """Requests that were neither answered, nor refused with a reason, nor left by their client."""
        counts = self.counts
        return counts["requests"] - counts["answers checked"] - self.refusals.total() - counts["left by their client"]

    def fault(self, text: str) -> None:
        """A promise was broken."""
        self.counts["faults"] += 1
        if len(self.faults) < _KEPT_FAULTS:
            self.faults.append(text)
