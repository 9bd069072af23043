"""Lists of Application Auto Scaling, which are cut into pages by number."""

import re
from collections.abc import Sequence
from typing import TypeVar

from modelyard.facades.aws.wire.errors import AwsError
from modelyard.facades.aws.wire.operations import Request

_MOST = 50
_DIGITS = re.compile(r"[0-9]{1,9}")
_T = TypeVar("_T")


def page_in(every: Sequence[_T], request: Request) -> tuple[Sequence[_T], str | None]:
    """The part of a list that a request asks for, and the token of the part after it.

    Raises:
        AwsError: its token is none of ours.
    """
    token = request.get("NextToken", "0")
    if not _DIGITS.fullmatch(token):
        raise AwsError("InvalidNextTokenException", "The next token supplied was invalid.")
    end = int(token) + int(request.get("MaxResults", _MOST))
    return every[int(token) : end], str(end) if end < len(every) else None
