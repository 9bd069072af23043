"""What the lists of hosting have in common: names of AWS's members, and documents in pages."""

from collections.abc import Callable, Iterable
from typing import Any

from modelyard.control.documents.service import DocumentService
from modelyard.control.rest.pages import Page, PageQuery
from modelyard.facades.aws.wire.errors import AwsError, validation_error
from modelyard.facades.aws.wire.operations import Answer, Call, Request
from modelyard.types.foreign.documents import Document, DocumentFilter, DocumentOrder

SESSION_HEADER = "x-amz-security-token"
_DEFAULT_RESULTS = 10
_PORTION = 100
_NOUNS = {
    "sagemaker-model": "model",
    "sagemaker-endpoint-config": "endpoint configuration",
    "sagemaker-endpoint": "endpoint",
}
"""What AWS's messages call the kinds of documents."""


def echo(request: Request) -> dict[str, Any]:
    """A request as a document keeps it; tags are kept beside."""
    return {"request": {name: value for name, value in request.items() if name != "Tags"}}


def tags_of(request: Request) -> dict[str, str]:
    """Its tags.

    Raises:
        AwsError: a key is there twice.
    """
    return checked_tags(request.get("Tags", ()))


def checked_tags(tags: Iterable[dict[str, str]]) -> dict[str, str]:
    """Tags by their keys.

    Raises:
        AwsError: a key is there twice.
    """
    found: dict[str, str] = {}
    for tag in tags:
        if tag["Key"] in found:
            raise validation_error(f"The tag key '{tag['Key']}' is there twice; each key may be given once.")
        found[tag["Key"]] = tag["Value"]
    return found


def page_of(documents: DocumentService, kind: str, call: Call, request: Request) -> Page[Document]:
    """The documents that a List operation asks for."""
    page = PageQuery.decode(int(request.get("MaxResults", _DEFAULT_RESULTS)), request.get("NextToken"))
    return documents.list(
        kind, call.project, page, _filter(request), _order(request), descending=_is_descending(request)
    )


def chosen_page(
    documents: DocumentService,
    kind: str,
    call: Call,
    request: Request,
    shown: Callable[[Document], Answer | None],
    status: str,
) -> Page[Answer]:
    """The page that a List operation asks for, of what is shown of documents; what is None is left out.

    A page is full if there is enough to show. `SortBy` may be `Status`, which is the member `status` of what is shown:
    no table has it, so everything is looked at.
    """
    if request.get("SortBy") == "Status":
        return _by_status(documents, kind, call, request, shown, status)
    limit, token = int(request.get("MaxResults", _DEFAULT_RESULTS)), request.get("NextToken")
    items: list[Answer] = []
    while True:
        page = page_of(documents, kind, call, {**request, "MaxResults": _PORTION, "NextToken": token})
        for number, document in enumerate(page.items, 1):
            if (each := shown(document)) is not None:
                items.append(each)
            if len(items) == limit:
                is_last = number == len(page.items) and page.next_cursor is None
                return Page(items=items, next_cursor=None if is_last else documents.cursor(document, _order(request)))
        token = page.next_cursor
        if token is None:
            return Page(items=items, next_cursor=None)


def _by_status(
    documents: DocumentService,
    kind: str,
    call: Call,
    request: Request,
    shown: Callable[[Document], Answer | None],
    status: str,
) -> Page[Answer]:
    query = PageQuery.decode(int(request.get("MaxResults", _DEFAULT_RESULTS)), request.get("NextToken"))
    start = query.after[0] if query.after else 0
    if not isinstance(start, int):
        raise validation_error("The NextToken is of a list that is sorted otherwise.")
    every = documents.every(kind, call.project, _filter(request))
    found = [each for each in map(shown, every) if each is not None]
    found.sort(key=lambda each: str(each[status]), reverse=_is_descending(request))
    end = start + query.limit
    return Page(items=found[start:end], next_cursor=PageQuery.encode([end]) if end < len(found) else None)


def _order(request: Request) -> DocumentOrder:
    return DocumentOrder.NAME if request.get("SortBy") == "Name" else DocumentOrder.CREATED


def _filter(request: Request) -> DocumentFilter:
    return DocumentFilter(
        name_contains=request.get("NameContains", ""),
        created_after=request.get("CreationTimeAfter"),
        created_before=request.get("CreationTimeBefore"),
        modified_after=request.get("LastModifiedTimeAfter"),
        modified_before=request.get("LastModifiedTimeBefore"),
    )


def _is_descending(request: Request) -> bool:
    return bool(request.get("SortOrder", "Descending") == "Descending")


def session_header(call: Call) -> dict[str, str]:
    """What a request in the name of a temporary key needs besides its signature; the token is no secret."""
    return {SESSION_HEADER: call.session_token} if call.session_token else {}


def found(documents: DocumentService, kind: str, call: Call, name: str, arn: str) -> Document:
    """The document of this name.

    Raises:
        AwsError: there is none; waiters wait for just this code and know these words.
    """
    document = documents.find(kind, call.project, name)
    if document is None:
        raise validation_error(f'Could not find {_NOUNS[kind]} "{arn}".')
    return document


def exists(kind: str, arn: str) -> AwsError:
    """The error for a name that is taken."""
    return validation_error(f'Cannot create already existing {_NOUNS[kind]} "{arn}".')
