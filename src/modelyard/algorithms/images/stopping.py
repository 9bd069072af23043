"""Early stopping: keeps the best epoch, says when to give up."""

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class BestEpoch(Generic[T]):
    """Remembers what was best on the validation part. `patience` None: never stops, keeps nothing."""

    def __init__(self, patience: int | None) -> None:
        self._patience = patience
        self._best = -1.0
        self._waited = 0
        self.found: T | None = None

    @property
    def counts(self) -> tuple[float, int]:
        """The best accuracy and the epochs since: with `found`, all there is to remember."""
        return self._best, self._waited

    def restore(self, counts: tuple[float, int], found: T | None) -> None:
        """Go on as it was."""
        self._best, self._waited = counts
        self.found = found

    def is_over(self, accuracy: float | None, snapshot: Callable[[], T]) -> bool:
        """Take in an epoch's validation accuracy; True if it has not risen for `patience` epochs."""
        if self._patience is None or accuracy is None:
            return False
        if accuracy > self._best:
            self._best, self._waited, self.found = accuracy, 0, snapshot()
            return False
        self._waited += 1
        return self._waited >= self._patience
