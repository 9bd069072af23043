"""ListBuckets, in pages where somebody asks for pages, and GetBucketLocation: what is known of buckets here."""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

from modelyard.facades.aws.wire.answers import WireAnswer
from modelyard.facades.aws.wire.errors import AwsError
from modelyard.types.foreign.documents import Document

_MOST = 10_000
_DIGITS = re.compile(r"[0-9]{1,5}")
FIRST_REGION = "us-east-1"
"""Its buckets have no location, for they are older than locations; and who makes one again has it."""


def listed(buckets: Sequence[Document], query: Mapping[str, str]) -> dict[str, Any]:
    """The members of the answer but the owner.

    Args:
        buckets: all of the project's.
        query: as it was sent: prefix, max-buckets, continuation-token (here the last name of the page before).

    Raises:
        AwsError: the size of a page is none.
    """
    most = query.get("max-buckets", str(_MOST))
    if not (_DIGITS.fullmatch(most) and 1 <= int(most) <= _MOST):
        told = f"Argument maxBuckets must be an integer between 1 and {_MOST}."
        raise AwsError("InvalidArgument", told)
    prefix, after = query.get("prefix", ""), query.get("continuation-token", "")
    # Sorted here: a database may have an order of its own, and a page goes on behind the last name.
    ordered = sorted(buckets, key=lambda each: each.name)
    found = [each for each in ordered if each.name.startswith(prefix) and each.name > after]
    page = found[: int(most)]
    answer: dict[str, Any] = {"Buckets": [{"Name": each.name, "CreationDate": each.created_at} for each in page]}
    if len(page) < len(found):
        answer["ContinuationToken"] = page[-1].name
    return answer | ({"Prefix": prefix} if prefix else {})


def location_answer(region: str, request_id: str) -> WireAnswer:
    """GetBucketLocation's answer, whose root holds the value itself."""
    said = "" if region == FIRST_REGION else escape(region)
    body = f'<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{said}</LocationConstraint>'
    headers = {"Content-Type": "application/xml", "x-amz-request-id": request_id}
    return WireAnswer(200, headers, body.encode())
