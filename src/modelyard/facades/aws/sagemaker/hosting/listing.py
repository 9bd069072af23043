"""What the lists of hosting have in common: names of AWS's members, and documents in pages."""

from typing import Any

from modelyard.control.documents.service import DocumentService
from modelyard.control.rest.pages import Page, PageQuery
from modelyard.facades.aws.wire.errors import AwsError, validation_error
from modelyard.facades.aws.wire.operations import Call, Request
from modelyard.types.foreign.documents import Document, DocumentFilter, DocumentOrder

_DEFAULT_RESULTS = 10


def echo(request: Request) -> dict[str, Any]:
    """A request as a document keeps it; tags are kept beside."""
    return {"request": {name: value for name, value in request.items() if name != "Tags"}}


def tags_of(request: Request) -> dict[str, str]:
    """Its tags."""
    return {tag["Key"]: tag["Value"] for tag in request.get("Tags", ())}


def page_of(documents: DocumentService, kind: str, call: Call, request: Request) -> Page[Document]:
    """The documents that a List operation asks for."""
    chosen = DocumentFilter(
        name_contains=request.get("NameContains", ""),
        created_after=request.get("CreationTimeAfter"),
        created_before=request.get("CreationTimeBefore"),
        modified_after=request.get("LastModifiedTimeAfter"),
        modified_before=request.get("LastModifiedTimeBefore"),
    )
    page = PageQuery.decode(int(request.get("MaxResults", _DEFAULT_RESULTS)), request.get("NextToken"))
    order = DocumentOrder.NAME if request.get("SortBy") == "Name" else DocumentOrder.CREATED
    is_descending = request.get("SortOrder", "Descending") == "Descending"
    return documents.list(kind, call.project, page, chosen, order, descending=is_descending)


def found(documents: DocumentService, kind: str, call: Call, name: str, arn: str) -> Document:
    """The document of this name.

    Raises:
        AwsError: there is none; waiters wait for just this code and know these words.
    """
    document = documents.find(kind, call.project, name)
    if document is None:
        raise validation_error(f'Could not find {kind.removeprefix("sagemaker-").replace("-", " ")} "{arn}".')
    return document


def exists(kind: str, arn: str) -> AwsError:
    """The error for a name that is taken."""
    what = kind.removeprefix("sagemaker-").replace("-", " ")
    return validation_error(f'Cannot create already existing {what} "{arn}".')
