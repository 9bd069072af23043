"""What botocore says about a request in its User-Agent."""

import re

_FEATURES = re.compile(r"\bm/([A-Za-z0-9+,-]+)")
_WAITER = "B"


def is_waiter(user_agent: str) -> bool:
    """Whether it is a poll of a waiter.

    Source: botocore/useragent.py: features that a request uses are listed after `m/`, WAITER is `B`.
    """
    found = _FEATURES.search(user_agent)
    return found is not None and _WAITER in found[1].split(",")
