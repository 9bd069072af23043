"""All SQL of metering."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime

from sqlalchemy import Connection, RowMapping, delete, func, insert, select, update

from modelyard.control.metering.records import AMOUNTS, Holding, Subject, UsageRow, Used
from modelyard.control.metering.tables import budgets, price_lists, storage_readings, usage_records
from modelyard.control.rest.pages import PageQuery
from modelyard.storage.keyset import keyset
from modelyard.types.compute.costs import PriceList, Prices, Tariff

_SUMS = [func.coalesce(func.sum(usage_records.c[name]), 0.0).label(name) for name in AMOUNTS]
_SUBJECT = ("kind", "name", "version")


class UsageRepository:
    """The ledger."""

    def lock(self, connection: Connection, process: str) -> None:
        """Let nobody else write about this process until the transaction ends. A writer on SQLite is alone anyway."""
        if connection.dialect.name == "postgresql":
            connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(process, 1))))

    def total(self, connection: Connection, process: str) -> Used:
        """What is written of a process."""
        return _used(connection.execute(select(*_SUMS).where(usage_records.c.process == process)).mappings().one())

    def totals(self, connection: Connection, process: str) -> dict[tuple[str, str, str], Used]:
        """(kind, name, version) -> what is written of a process that works for several."""
        of = [usage_records.c[name] for name in _SUBJECT]
        statement = select(*of, *_SUMS).where(usage_records.c.process == process).group_by(*of)
        rows = connection.execute(statement).mappings()
        return {(row["kind"], row["name"], row["version"]): _used(row) for row in rows}

    def add(
        self, connection: Connection, process: str, subject: Subject, day: date, price_list: int, used: Used
    ) -> None:
        """Add to the row of this process, subject, day and prices."""
        key = {
            "process": process,
            "kind": subject.kind,
            "name": subject.name,
            "version": subject.version,
            "day": day,
            "price_list": price_list,
            "tariff": subject.tariff,
        }
        amounts = asdict(used)
        same = [usage_records.c[name] == value for name, value in key.items()]
        grown = {name: usage_records.c[name] + value for name, value in amounts.items()}
        if connection.execute(update(usage_records).where(*same).values(**grown)).rowcount == 0:
            connection.execute(insert(usage_records).values(**key, **amounts, project=subject.project))

    def rows(
        self, connection: Connection, project: str | None, since: date, until: date, kinds: Sequence[str] | None
    ) -> list[UsageRow]:
        """Rows of the days from `since` to `until`; of every project and kind if none is given."""
        table = usage_records.c
        statement = select(usage_records).where(table.day >= since, table.day <= until)
        if kinds is not None:
            statement = statement.where(table.kind.in_(kinds))
        if project is not None:
            statement = statement.where(table.project == project)
        return [
            UsageRow(
                project=row["project"],
                kind=row["kind"],
                name=row["name"],
                version=row["version"],
                day=row["day"],
                price_list=row["price_list"],
                tariff=Tariff(row["tariff"]),
                used=_used(row),
            )
            for row in connection.execute(statement).mappings()
        ]


class StorageRepository:
    """What was stored at the last look."""

    def readings(self, connection: Connection, kinds: Sequence[str]) -> dict[Holding, tuple[int, datetime]]:
        """Holding -> its bytes, and when they were counted."""
        rows = connection.execute(select(storage_readings).where(storage_readings.c.kind.in_(kinds)))
        return {Holding(row.project, row.kind, row.name): (row.size_bytes, row.read_at) for row in rows}

    def replace(
        self, connection: Connection, kinds: Sequence[str], stored: Mapping[Holding, int], read_at: datetime
    ) -> None:
        """Put what is there now in the place of all that is known of these kinds."""
        connection.execute(delete(storage_readings).where(storage_readings.c.kind.in_(kinds)))
        rows = [each._asdict() | {"size_bytes": size, "read_at": read_at} for each, size in stored.items()]
        if rows:
            connection.execute(insert(storage_readings), rows)


class PriceRepository:
    """Price lists: added, never changed."""

    def newest(self, connection: Connection) -> PriceList | None:
        """The list in force."""
        statement = select(price_lists).order_by(price_lists.c.number.desc()).limit(1)
        row = connection.execute(statement).mappings().one_or_none()
        return None if row is None else PriceList(**row)

    def all(self, connection: Connection) -> dict[int, Prices]:
        """Prices by the number of their list."""
        return {row.number: row.prices for row in connection.execute(select(price_lists))}

    def list(self, connection: Connection, page: PageQuery) -> list[PriceList]:
        """Newest first."""
        statement = keyset(select(price_lists), [price_lists.c.number], page.after, page.limit, descending=True)
        return [PriceList(**row) for row in connection.execute(statement).mappings()]

    def insert(self, connection: Connection, prices: Prices, effective_at: datetime, created_by: str) -> None:
        """Add a list."""
        connection.execute(insert(price_lists).values(prices=prices, effective_at=effective_at, created_by=created_by))


class BudgetRepository:
    """Budgets of projects, as plain rows."""

    def get(self, connection: Connection, project: str) -> dict[str, object] | None:
        """A project's budget."""
        row = connection.execute(select(budgets).where(budgets.c.project == project)).mappings().one_or_none()
        return None if row is None else dict(row)

    def projects(self, connection: Connection) -> list[str]:
        """Projects that have one."""
        return [*connection.execute(select(budgets.c.project)).scalars()]

    def put(self, connection: Connection, project: str, **values: object) -> None:
        """Replace a project's budget."""
        self.delete(connection, project)
        connection.execute(insert(budgets).values(project=project, **values))

    def delete(self, connection: Connection, project: str) -> bool:
        """Remove it; False if there is none."""
        return connection.execute(delete(budgets).where(budgets.c.project == project)).rowcount > 0


def _used(row: RowMapping) -> Used:
    return Used(**{name: float(row[name]) for name in AMOUNTS})
