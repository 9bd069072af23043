"""Request headers and query parameters that many routes share, as FastAPI dependencies."""

import hashlib
import re
from typing import Annotated

from fastapi import Depends, Header, Query, Request, Response

from modelyard.control.rest.pages import DEFAULT_LIMIT, MAXIMUM_LIMIT, PageQuery
from modelyard.errors import InternalError, InvalidInputError
from modelyard.storage.creations import Creation

_ETAG = re.compile(r'(?:W/)?"(\d{1,18})"')
_MAXIMUM_KEY_LENGTH = 255


class HeaderInvalidError(InvalidInputError):
    """A request header that cannot be understood."""

    code = "header_invalid"


def _page_query(
    limit: Annotated[int, Query(ge=1, le=MAXIMUM_LIMIT, description="Largest number of items in the answer.")] = (
        DEFAULT_LIMIT
    ),
    cursor: Annotated[
        str | None, Query(description="`next_cursor` of the page before; leave out for the first.")
    ] = None,
) -> PageQuery:
    return PageQuery.decode(limit, cursor)


async def _idempotency(
    request: Request,
    key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            description="Any text of your own, new for each creation. Repeating a request with the same key (after a "
            "timeout, say) answers with what the first one made instead of making another.",
        ),
    ] = None,
) -> Creation | None:
    if key is None:
        return None
    if not 1 <= len(key) <= _MAXIMUM_KEY_LENGTH:
        raise HeaderInvalidError(
            f"The Idempotency-Key has {len(key)} characters; 1 to {_MAXIMUM_KEY_LENGTH} are allowed",
            hint="A random UUID is a good key.",
            field="Idempotency-Key",
        )
    principal = getattr(request.state, "principal", None)
    if principal is None:
        raise InternalError("A route asks for idempotency before its guard: declare the principal parameter first")
    route = f"{request.method} {request.url.path}"
    return Creation(_digest(principal.id, route, key), hashlib.sha256(await request.body()).hexdigest())


def _if_match(
    value: Annotated[
        str | None,
        Header(
            alias="If-Match",
            description='The ETag you read, e.g. `"3"`: the change is refused with 412 if somebody else came first.',
        ),
    ] = None,
) -> int | None:
    if value is None or value.strip() == "*":
        return None
    match = _ETAG.fullmatch(value.strip())
    if match is None:
        raise HeaderInvalidError(
            f"'{value[:80]}' is not an ETag of this API",
            hint='Send the ETag as you received it, with its quotes: "3".',
            field="If-Match",
        )
    return int(match[1])


PageParameters = Annotated[PageQuery, Depends(_page_query)]
"""Query parameters `limit` and `cursor`: `def list_(..., page: PageParameters) -> Page[Model]`."""

Idempotency = Annotated[Creation | None, Depends(_idempotency)]
"""Header Idempotency-Key. The route's principal parameter must come before it."""

IfMatch = Annotated[int | None, Depends(_if_match)]
"""Header If-Match: the version that the caller read, None when he does not care."""


def set_etag(response: Response, version: int) -> None:
    """The ETag header of a resource: its version in quotes."""
    response.headers["ETag"] = f'"{version}"'


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
