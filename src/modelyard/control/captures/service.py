"""Reading captures: for people one by one, for monitors and retraining as windows of tensors."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

from modelyard.control.captures.batches import BatchFilter, CaptureBatch, check_range
from modelyard.control.captures.errors import InferenceNotFoundError
from modelyard.control.captures.parquet import Captured, as_inference, before, matching, read_table, rows_of, times_in
from modelyard.control.captures.repository import CaptureRepository
from modelyard.control.rest.pages import Page, PageQuery
from modelyard.storage.database import Database
from modelyard.storage.keyset import CursorInvalidError
from modelyard.storage.objects import ObjectNotFoundError, ObjectStore
from modelyard.types.monitoring import Inference
from modelyard.types.signatures import Scalar

_CHUNK = 4096


class TruthLookup(Protocol):
    """Ground truth by inference id. Implementation: feedback.service.FeedbackService."""

    def truths(self, project: str, endpoint: str, ids: Sequence[str]) -> Mapping[str, list[Scalar | None]]:
        """What is known about these inferences: one value per row, None where unknown."""


class CaptureService:
    """Captured inferences of an endpoint. Safe from any thread.

    Args:
        database: of Operations.
        repository: the SQL.
        objects: holds the Parquet objects.
        truths: joins ground truth to what is shown.
    """

    def __init__(
        self, database: Database, repository: CaptureRepository, objects: ObjectStore, truths: TruthLookup
    ) -> None:
        self._database = database
        self._repository = repository
        self._objects = objects
        self._truths = truths

    def list(self, wanted: BatchFilter, page: PageQuery) -> Page[Inference]:
        """Inferences, the newest first.

        Raises:
            TimeRangeInvalidError: `since` is after `until`, or has no time zone.
            CursorInvalidError: the cursor belongs to another list.
        """
        check_range(wanted)
        after = _position(page)
        if after is not None:
            wanted = replace(wanted, until=min(filter(None, (wanted.until, after[0]))))
        found: list[Captured] = []
        with self._database.read() as connection:
            for batch in self._repository.newest_first(connection, wanted):
                # Batches of several gateways overlap: only rows newer than all that is to come have their final place.
                if sum(item.at > batch.last_at for item in found) > page.limit:
                    break
                found += self._newest_of(batch, wanted, after, page.limit + 1)
        found.sort(key=lambda item: (item.at, item.id), reverse=True)
        shown = page.page(found[: page.limit + 1], lambda item: (item.at, item.id))
        return Page(items=[*self._with_truth(wanted, shown.items)], next_cursor=shown.next_cursor)

    def get(self, project: str, endpoint: str, inference_id: str) -> Inference:
        """One inference.

        Raises:
            InferenceNotFoundError: it was not captured, is not here yet, or is older than captures are kept.
        """
        wanted = BatchFilter(project=project, endpoint=endpoint, ids=(inference_id, inference_id))
        with self._database.read() as connection:
            for batch in self._repository.newest_first(connection, wanted):
                found = self._newest_of(batch, wanted, None, 1)
                if found:
                    return self._with_truth(wanted, found)[0]
        raise InferenceNotFoundError(
            f"There is no captured inference '{inference_id[:200]}' at endpoint '{endpoint}'",
            hint="It appears about two seconds after its answer, if the endpoint captured it (`capture_share`).",
        )

    def newest(
        self,
        wanted: BatchFilter,
        *,
        rows: int | None = None,
        with_inputs: bool = True,
        keep: Callable[[CaptureBatch], bool] = lambda _: True,
    ) -> Iterator[Sequence[Captured]]:
        """A window, the newest first: whole inferences until `rows` rows are there (None: all), some at a time.

        One batch is in memory at a time. Batches that `keep` refuses are not read.
        """
        taken = 0
        with self._database.read() as connection:
            for batch in filter(keep, self._repository.newest_first(connection, wanted)):
                for chunk in self._chunks(batch, wanted, with_inputs=with_inputs):
                    found: list[Captured] = []
                    for item in chunk:
                        if rows is not None and taken >= rows:
                            break
                        taken += item.rows
                        found.append(item)
                    if found:
                        yield found
                    if rows is not None and taken >= rows:
                        return

    def newest_at(self, wanted: BatchFilter) -> datetime | None:
        """When the newest inference of these batches happened; costs one row of the database."""
        with self._database.read() as connection:
            return self._repository.newest_at(connection, wanted)

    def ids_since(self, project: str, endpoint: str, moment: datetime) -> tuple[str, str] | None:
        """The smallest and largest id in batches that were written since then; None if there are none."""
        with self._database.read() as connection:
            return self._repository.ids_since(connection, project, endpoint, moment)

    def count_rows(self, project: str, endpoint: str, since: datetime) -> int:
        """About how many rows were captured after `since`: whole batches count."""
        with self._database.read() as connection:
            return self._repository.count_rows(connection, project, endpoint, since)

    def times_of(
        self, project: str, endpoint: str, ids: Sequence[str], *, recorded_since: datetime | None = None
    ) -> Mapping[str, datetime]:
        """When these inferences happened, for those that are captured; reads only what their ids may be in.

        `recorded_since`: look only in batches that were written since then.
        """
        if not ids:
            return {}
        ordered, found = sorted(ids), dict[str, datetime]()
        wanted = BatchFilter(project=project, endpoint=endpoint, ids=(ordered[0], ordered[-1]))
        with self._database.read() as connection:
            for batch in self._repository.newest_first(connection, wanted):
                if recorded_since is not None and batch.created_at < recorded_since:
                    continue
                place = bisect_left(ordered, batch.first_id)
                if place < len(ordered) and ordered[place] <= batch.last_id:
                    with suppress(ObjectNotFoundError):
                        found |= times_in(self._objects.read(batch.object_key), ordered)
        return found

    def tables(self, wanted: BatchFilter) -> Iterator[tuple[CaptureBatch, Any]]:
        """The wanted inferences as Arrow tables (columns: `gathering`), the newest batch first."""
        with self._database.read() as connection:
            for batch in self._repository.newest_first(connection, wanted):
                table = self._table(batch, wanted)
                if table is not None:
                    yield batch, table

    def _newest_of(
        self, batch: CaptureBatch, wanted: BatchFilter, after: tuple[datetime, str] | None, limit: int
    ) -> Sequence[Captured]:
        table = self._table(batch, wanted)
        if table is None:
            return []
        if after is not None:
            table = table.filter(before(table, after))
        return rows_of(table.slice(max(0, len(table) - limit)))

    def _chunks(self, batch: CaptureBatch, wanted: BatchFilter, *, with_inputs: bool) -> Iterator[Iterable[Captured]]:
        """The newest first, and in each chunk too."""
        table = self._table(batch, wanted, with_inputs=with_inputs)
        end = 0 if table is None else len(table)
        while table is not None and end > 0:
            start = max(0, end - _CHUNK)
            yield reversed(rows_of(table.slice(start, end - start)))
            end = start

    def _table(self, batch: CaptureBatch, wanted: BatchFilter, *, with_inputs: bool = True) -> Any:
        """The wanted part of a batch; None if retention took it a moment ago."""
        try:
            table = read_table(self._objects.read(batch.object_key), with_inputs=with_inputs)
        except ObjectNotFoundError:
            return None
        return table.filter(matching(table, wanted))

    def _with_truth(self, wanted: BatchFilter, items: Sequence[Captured]) -> Sequence[Inference]:
        known = self._truths.truths(wanted.project, wanted.endpoint, [item.id for item in items])
        return [replace(as_inference(item, wanted.endpoint), feedback=known.get(item.id)) for item in items]


def _position(page: PageQuery) -> tuple[datetime, str] | None:
    if page.after is None:
        return None
    try:
        at, last_id = page.after
        return datetime.fromisoformat(str(at)), str(last_id)
    except ValueError:
        raise CursorInvalidError(
            "The cursor does not belong to this list", hint="Pass `next_cursor` of the page before.", field="cursor"
        ) from None
