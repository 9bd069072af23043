"""All SQL of metering."""

from dataclasses import asdict
from datetime import date, datetime

from sqlalchemy import Connection, delete, func, insert, select, update

from modelyard.control.metering.records import Subject, UsageRow, Used
from modelyard.control.metering.tables import budgets, price_lists, usage_records
from modelyard.control.rest.pages import PageQuery
from modelyard.storage.keyset import keyset
from modelyard.types.compute.costs import PriceList, Prices

_AMOUNTS = ("cpu_seconds", "memory_gib_seconds", "gpu_seconds")


class UsageRepository:
    """The ledger."""

    def lock(self, connection: Connection, process: str) -> None:
        """Let nobody else write about this process until the transaction ends. A writer on SQLite is alone anyway."""
        if connection.dialect.name == "postgresql":
            connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(process, 1))))

    def total(self, connection: Connection, process: str) -> Used:
        """What is written of a process."""
        sums = [func.coalesce(func.sum(usage_records.c[name]), 0.0) for name in _AMOUNTS]
        row = connection.execute(select(*sums).where(usage_records.c.process == process)).one()
        return Used(**dict(zip(_AMOUNTS, map(float, row), strict=True)))

    def add(
        self, connection: Connection, process: str, subject: Subject, day: date, price_list: int, used: Used
    ) -> None:
        """Add to the row of this process, subject, day and price list."""
        key = {
            "process": process,
            "kind": subject.kind,
            "name": subject.name,
            "version": subject.version,
            "day": day,
            "price_list": price_list,
        }
        amounts = asdict(used)
        same = [usage_records.c[name] == value for name, value in key.items()]
        grown = {name: usage_records.c[name] + value for name, value in amounts.items()}
        if connection.execute(update(usage_records).where(*same).values(**grown)).rowcount == 0:
            more = {"project": subject.project, "is_spot": subject.is_spot}
            connection.execute(insert(usage_records).values(**key, **more, **amounts))

    def rows(
        self, connection: Connection, project: str | None, since: date, until: date, kinds: tuple[str, ...]
    ) -> list[UsageRow]:
        """Rows of the days from `since` to `until`; of every project if none is given."""
        table = usage_records.c
        statement = select(usage_records).where(table.day >= since, table.day <= until, table.kind.in_(kinds))
        if project is not None:
            statement = statement.where(table.project == project)
        return [
            UsageRow(
                project=row.project,
                kind=row.kind,
                name=row.name,
                version=row.version,
                day=row.day,
                price_list=row.price_list,
                is_spot=row.is_spot,
                used=Used(**{name: getattr(row, name) for name in _AMOUNTS}),
            )
            for row in connection.execute(statement)
        ]


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
