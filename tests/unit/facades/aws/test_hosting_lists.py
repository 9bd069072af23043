"""Lists of hosting that show a part of what there is."""

from types import SimpleNamespace
from typing import Any

import pytest

from modelyard.control.documents.repository import DocumentRepository
from modelyard.control.documents.service import DocumentService
from modelyard.control.rest.pages import Page
from modelyard.facades.aws.sagemaker.hosting.listing import chosen_page
from modelyard.kit.clock import FakeClock
from modelyard.types.foreign.documents import Document


@pytest.mark.parametrize("request_", [{"SortBy": "Name"}, {"SortOrder": "Ascending"}, {"MaxResults": 3}])
def test_every_choice_is_on_one_page_and_few_queries_find_it(database, monkeypatch, request_: dict[str, Any]):
    documents = DocumentService(database, DocumentRepository(), FakeClock())
    for number in range(30):
        documents.create("endpoint", "shop", f"e{number:02}", {"is_bad": number % 7 == 3})
    queries = 0
    listed = documents.list

    def counted(*arguments: Any, **options: Any) -> Page[Document]:
        nonlocal queries
        queries += 1
        return listed(*arguments, **options)

    def shown(document: Document) -> dict[str, Any] | None:
        return {"Name": document.name} if document.content["is_bad"] else None

    monkeypatch.setattr(documents, "list", counted)
    call: Any = SimpleNamespace(project="shop")
    request: dict[str, Any] = {"MaxResults": 1, **request_}
    names, token = [], None
    while names == [] or token is not None:
        page = chosen_page(documents, "endpoint", call, {**request, "NextToken": token}, shown, "Status")
        names += [each["Name"] for each in page.items]
        assert len(page.items) <= request["MaxResults"]
        token = page.next_cursor
    assert sorted(names) == ["e03", "e10", "e17", "e24"]
    assert queries <= 5
