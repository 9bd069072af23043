"""Where a trial stands in a population that is trained together."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """Of a trial whose checkpoint outlives it, for a trial of the next generation to go on from.

    Attributes:
        number: from 0.
        parent: job whose checkpoint it begins with; empty: it begins at the beginning.
    """

    number: int
    parent: str = ""
