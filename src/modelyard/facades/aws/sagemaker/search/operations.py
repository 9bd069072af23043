"""Search over everything that has a document: each record is what the resource's Describe operation says of it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from modelyard.control.documents.service import DocumentService
from modelyard.facades.aws.sagemaker.search.expressions import check, check_property, matches, sort_key
from modelyard.facades.aws.wire.codec import service_model
from modelyard.facades.aws.wire.errors import AwsError, validation_error
from modelyard.facades.aws.wire.operations import Answer, Call, Request, operation
from modelyard.types.access import Action
from modelyard.types.foreign.documents import Document

_DEFAULT_RESULTS = 10
_NEWEST = "LastModifiedTime"
_MADE = "CreationTime"


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """A resource that can be searched for.

    Attributes:
        kind: of its documents.
        name: the member of its Describe operation that takes a document's name.
        shape: of a record, whose members are the properties.
        describe: the operation.
        path: where the record stands in a result.
    """

    kind: str
    name: str
    shape: str
    describe: Callable[[Call, Request], Answer]
    path: tuple[str, ...]

    def properties(self) -> frozenset[str]:
        """What may be asked about."""
        return frozenset(service_model("sagemaker").shape_for(self.shape).members)


class SearchOperations:
    """Search.

    Args:
        documents: say what there is.
        searched: the resources, by AWS's name of the type.
    """

    def __init__(self, documents: DocumentService, searched: Mapping[str, Searched]) -> None:
        self._documents = documents
        self._searched = searched

    @operation(
        "sagemaker",
        "Search",
        Action.READ,
        partly="Resource is TrainingJob, Model or Endpoint; CrossAccountFilterOption and VisibilityConditions have no "
        "effect.",
    )
    def search(self, call: Call, request: Request) -> Answer:
        """In pages, newest change first if nothing else is said."""
        resource = request["Resource"]
        searched = self._searched.get(resource)
        if searched is None:
            known = ", ".join(sorted(self._searched))
            raise validation_error(f"Modelyard does not search for {resource} yet. Search for {known}.")
        expression, order = request.get("SearchExpression") or {}, request.get("SortBy")
        properties = searched.properties()
        check(expression, properties)
        if order is not None:
            check_property(order, properties)
        found = [each for each in self._records(call, searched, properties) if matches(each, expression)]
        newest = _NEWEST if _NEWEST in properties else _MADE
        found.sort(key=lambda each: sort_key(each, order or newest), reverse=request.get("SortOrder") != "Ascending")
        start, limit = _start(request.get("NextToken")), request.get("MaxResults", _DEFAULT_RESULTS)
        end = start + limit
        return {
            "Results": [_placed(each, searched.path) for each in found[start:end]],
            "NextToken": str(end) if end < len(found) else None,
            "TotalHits": {"Value": len(found), "Relation": "EqualTo"},
        }

    def _records(self, call: Call, searched: Searched, properties: frozenset[str]) -> Iterator[dict[str, Any]]:
        for document in self._documents.every(searched.kind, call.project):
            try:
                described = searched.describe(call, {searched.name: document.name})
            except AwsError:
                continue  # it went a moment ago, or is not quite there
            kept = {name: value for name, value in described.items() if name in properties and value is not None}
            yield {**kept, **_tags(document)}


def _tags(document: Document) -> dict[str, Any]:
    tags = [{"Key": key, "Value": value} for key, value in sorted(document.tags.items())]
    return {"Tags": tags} if tags else {}


def _placed(record: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    for name in reversed(path):
        record = {name: record}
    return record


def _start(token: str | None) -> int:
    if token is None:
        return 0
    if not (token.isascii() and token.isdigit()):
        raise validation_error("The NextToken is not one that a search gave out.")
    return int(token)
