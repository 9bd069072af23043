"""Documents: what facades remember."""

from datetime import timedelta

import pytest

from modelyard.control.documents.errors import DocumentExistsError, DocumentNotFoundError
from modelyard.control.documents.repository import DocumentRepository
from modelyard.control.documents.service import DocumentService
from modelyard.control.rest.pages import PageQuery
from modelyard.kit.clock import FakeClock
from modelyard.types.foreign.documents import DocumentFilter, DocumentOrder


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def documents(database, clock) -> DocumentService:
    return DocumentService(database, DocumentRepository(), clock)


def fill(documents: DocumentService, clock: FakeClock, count: int) -> None:
    for number in range(count):
        tags = {"team": "wine"} if number % 3 == 0 else {}
        documents.create("job", "default", f"Job-{number}", {"n": number}, tags)
        clock.sleep(60)


def test_a_document_is_created_changed_and_deleted(documents, clock):
    made = documents.create("job", "default", "a", {"x": [1]}, {"k": "v"})
    assert documents.get("job", "default", "a") == made
    assert documents.find("job", "other", "a") is None
    with pytest.raises(DocumentExistsError):
        documents.create("job", "default", "a", {})
    clock.sleep(5)
    changed = documents.update("job", "default", "a", lambda content: {**content, "y": 2})
    assert changed.content == {"x": [1], "y": 2}
    assert changed.modified_at - changed.created_at == timedelta(seconds=5)
    assert documents.set_tags("job", "default", "a", {"k": "w", "l": "m"}).tags == {"k": "w", "l": "m"}
    assert documents.remove_tags("job", "default", "a", ["k", "none"]).tags == {"l": "m"}
    assert not documents.is_empty("default")
    documents.delete("job", "default", "a")
    assert documents.is_empty("default")
    with pytest.raises(DocumentNotFoundError):
        documents.delete("job", "default", "a")


@pytest.mark.parametrize("order", DocumentOrder)
@pytest.mark.parametrize("descending", [True, False])
def test_lists_come_whole_in_pages_whatever_the_order(documents, clock, order, descending):
    fill(documents, clock, 7)
    names, page = [], PageQuery(limit=3)
    while True:
        part = documents.list("job", "default", page, order=order, descending=descending)
        names += [each.name for each in part.items]
        if part.next_cursor is None:
            break
        page = PageQuery.decode(3, part.next_cursor)
    expected = [f"Job-{number}" for number in range(7)]
    assert names == (expected[::-1] if descending else expected)


def test_lists_are_chosen_by_name_time_and_tags(documents, clock):
    start = clock.now()
    fill(documents, clock, 9)

    def names(**chosen) -> list[str]:
        return [each.name for each in documents.every("job", "default", DocumentFilter(**chosen))]

    assert names(name_contains="job-4") == ["Job-4"]
    assert names(name_contains="%") == []
    assert names(created_after=start + timedelta(minutes=6)) == ["Job-7", "Job-8"]
    assert names(created_before=start + timedelta(minutes=1)) == ["Job-0"]
    assert names(tags={"team": "wine"}) == ["Job-0", "Job-3", "Job-6"]
    first = documents.list("job", "default", PageQuery(limit=2), DocumentFilter(tags={"team": "wine"}))
    assert [each.name for each in first.items] == ["Job-6", "Job-3"]
    rest = documents.list(
        "job", "default", PageQuery.decode(2, first.next_cursor), DocumentFilter(tags={"team": "wine"})
    )
    assert ([each.name for each in rest.items], rest.next_cursor) == (["Job-0"], None)
