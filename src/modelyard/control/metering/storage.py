"""What is stored, by the time for which it is: what was there at the last look is charged for until this one.

A look is one transaction, so one that is killed or repeated loses nothing and counts nothing twice.
"""

from collections.abc import Callable, Mapping

from modelyard.control.metering.ledger import in_force
from modelyard.control.metering.records import GIB, Holding, Subject, Used
from modelyard.control.metering.repository import PriceRepository, StorageRepository, UsageRepository
from modelyard.kit.clock import Clock
from modelyard.storage.database import Database

Stored = Mapping[str, Callable[[], Mapping[tuple[str, str], int]]]
"""Kind of what is stored -> tells how many bytes there are, by project and perhaps by name (else "")."""

_PROCESS = "storage"


class StorageMeter:
    """Asks how much there is; never looks at an object. Safe from any thread.

    Args:
        stored: what this application stores.
    """

    def __init__(
        self,
        database: Database,
        usage: UsageRepository,
        prices: PriceRepository,
        readings: StorageRepository,
        stored: Stored,
        clock: Clock,
    ) -> None:
        self._database = database
        self._usage = usage
        self._prices = prices
        self._readings = readings
        self._stored = stored
        self._clock = clock

    @property
    def kinds(self) -> tuple[str, ...]:
        """What this application stores."""
        return tuple(self._stored)

    def look(self) -> None:
        """Write down what was stored since the last look."""
        stored = {
            Holding(project, kind, name): size
            for kind, ask in self._stored.items()
            for (project, name), size in ask().items()
            if size > 0
        }
        with self._database.transaction() as connection:
            self._usage.lock(connection, f"{_PROCESS}/{','.join(self.kinds)}")
            now = self._clock.now()
            price_list = in_force(connection, self._prices, now).number
            for holding, (size, read_at) in self._readings.readings(connection, self.kinds).items():
                seconds = max(0.0, (now - read_at).total_seconds())
                subject = Subject(project=holding.project, kind=holding.kind, name=holding.name)
                used = Used(storage_gib_seconds=size / GIB * seconds)
                process = f"{_PROCESS}/{holding.project}"
                self._usage.add(connection, process, subject, now.date(), price_list, used)
            self._readings.replace(connection, self.kinds, stored, now)
