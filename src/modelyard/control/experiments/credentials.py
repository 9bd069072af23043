"""Where in a request to `/mlflow` the token is: MLflow's client sends it as a bearer, a browser as a password."""

import base64
import binascii
from collections.abc import Mapping
from urllib.parse import urlsplit

from modelyard.control.experiments.errors import CrossSiteRequestError

_READING = ("GET", "HEAD")


def secret_of(headers: Mapping[str, str]) -> str | None:
    """The token in Authorization: a bearer's, or the password of any user; None if there is none."""
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip() or None
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(value.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    return decoded.partition(":")[2] or None


def check_same_site(method: str, headers: Mapping[str, str]) -> None:
    """Nothing if a change comes from a program, or from a page of this very address.

    A browser sends a remembered password with whatever request any page makes, so that has to be looked at; bearers are
    never sent by themselves.

    Raises:
        CrossSiteRequestError: it comes from a page of another address.
    """
    origin = headers.get("origin")
    if method in _READING or origin is None:
        return
    if urlsplit(origin).netloc.lower() != headers.get("x-forwarded-host", headers.get("host", "")).lower():
        raise CrossSiteRequestError(
            f"A page at {origin[:200]} may not change experiments here",
            hint="Open MLflow at this platform's own address, or call it from a program with a bearer token.",
        )
