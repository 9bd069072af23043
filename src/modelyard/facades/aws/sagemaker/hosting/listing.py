"""What the lists of hosting have in common: names of AWS's members, and documents in pages."""

from collections.abc import Iterable
from typing import Any

from modelyard.control.documents.service import DocumentService
from modelyard.control.rest.pages import Page, PageQuery
from modelyard.facades.aws.wire.errors import AwsError, validation_error
from modelyard.facades.aws.wire.operations import Call, Request
from modelyard.types.foreign.documents import Document, DocumentFilter, DocumentOrder

_DEFAULT_RESULTS = 10
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


def session_header(call: Call) -> dict[str, str]:
    """What a request in the name of a temporary key needs besides its signature; the token is no secret."""
    return {"x-amz-security-token": call.session_token} if call.session_token else {}


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
