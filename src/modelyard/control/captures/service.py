"""Reading captures: for people one by one, for monitors and retraining as windows of tensors."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from modelyard.control.captures.batches import BatchFilter, CaptureBatch, check_range
from modelyard.control.captures.errors import InferenceNotFoundError
from modelyard.control.captures.parquet import Captured, as_inference, read_records
from modelyard.control.captures.repository import CaptureRepository
from modelyard.control.rest.pages import Page, PageQuery
from modelyard.kit.clock import Clock
from modelyard.storage.database import Database
from modelyard.storage.keyset import CursorInvalidError
from modelyard.storage.objects import ObjectNotFoundError, ObjectStore
from modelyard.types.monitoring import Inference
from modelyard.types.signatures import Scalar

_DELETE_CHUNK = 500


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
        clock: for retention.
    """

    def __init__(
        self, database: Database, repository: CaptureRepository, objects: ObjectStore, truths: TruthLookup, clock: Clock
    ) -> None:
        self._database = database
        self._repository = repository
        self._objects = objects
        self._truths = truths
        self._clock = clock

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
                found += [item for item in self._read(batch) if _matches(item, wanted, after)]
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
                found = [item for item in self._read(batch) if item.id == inference_id]
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
        """A window, the newest batch first: whole inferences until `rows` rows are there (None: all).

        One batch is in memory at a time. Batches that `keep` refuses are not read.
        """
        taken = 0
        with self._database.read() as connection:
            for batch in filter(keep, self._repository.newest_first(connection, wanted)):
                found: list[Captured] = []
                for item in reversed(self._read(batch, with_inputs=with_inputs, version=wanted.version)):
                    if rows is not None and taken >= rows:
                        break
                    if _matches(item, wanted, None):
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

    def count_rows(self, project: str, endpoint: str, since: datetime) -> int:
        """About how many rows were captured after `since`: whole batches count."""
        with self._database.read() as connection:
            return self._repository.count_rows(connection, project, endpoint, since)

    def delete_older(self, keep: timedelta) -> int:
        """Retention: delete what is older than `keep`; returns the number of objects.

        The object goes first: after a crash in between, its row leads here again.
        """
        deleted = 0
        while True:
            with self._database.read() as connection:
                batches = self._repository.older_than(connection, self._clock.now() - keep, _DELETE_CHUNK)
            for batch in batches:
                self._objects.delete(batch.object_key)
                with self._database.transaction() as connection:
                    self._repository.delete(connection, batch)
            deleted += len(batches)
            if len(batches) < _DELETE_CHUNK:
                return deleted

    def _read(self, batch: CaptureBatch, *, with_inputs: bool = True, version: str | None = None) -> Sequence[Captured]:
        try:
            content = self._objects.read(batch.object_key)
        except ObjectNotFoundError:  # retention took it a moment ago
            return []
        return read_records(content, with_inputs=with_inputs, version=version)

    def _with_truth(self, wanted: BatchFilter, items: Sequence[Captured]) -> Sequence[Inference]:
        known = self._truths.truths(wanted.project, wanted.endpoint, [item.id for item in items])
        return [replace(as_inference(item, wanted.endpoint), feedback=known.get(item.id)) for item in items]


def _matches(item: Captured, wanted: BatchFilter, after: tuple[datetime, str] | None) -> bool:
    return (
        (wanted.since is None or item.at >= wanted.since)
        and (wanted.until is None or item.at <= wanted.until)
        and (wanted.version is None or item.version == wanted.version)
        and (wanted.variant is None or item.variant == wanted.variant)
        and (wanted.ids is None or wanted.ids[0] <= item.id <= wanted.ids[1])
        and (after is None or (item.at, item.id) < after)
    )


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
