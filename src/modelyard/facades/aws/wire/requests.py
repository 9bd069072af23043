"""A request as it came, in the few forms that signing, routing and parsing need."""

from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.types import Scope

_BEFORE_S3 = ".s3."
_BELOW_LOCALHOST = ".localhost"


@dataclass(frozen=True)
class WireRequest:
    """Immutable. `raw_path` and `raw_query` are as they were sent: signatures are over these bytes.

    Attributes:
        scheme: the client's, behind the gateway too.
        body: empty while a body is still to be streamed.
    """

    method: str
    scheme: str
    raw_path: str
    raw_query: str
    headers: Headers = field(repr=False)
    body: bytes = field(default=b"", repr=False)

    @classmethod
    def of(cls, scope: Scope, body: bytes = b"") -> "WireRequest":
        """From an ASGI scope."""
        headers = Headers(raw=scope["headers"])
        raw: bytes = scope.get("raw_path") or scope["path"].encode()
        return cls(
            method=scope["method"],
            scheme=headers.get("x-forwarded-proto", scope.get("scheme", "http")),
            raw_path=raw.partition(b"?")[0].decode("latin-1"),
            raw_query=scope["query_string"].decode("latin-1"),
            headers=headers,
            body=body,
        )

    @property
    def host(self) -> str:
        """With the port, as the client named it."""
        return self.headers.get("x-forwarded-host") or self.headers.get("host", "localhost")

    @property
    def url(self) -> str:
        """The whole address, as it was sent."""
        query = f"?{self.raw_query}" if self.raw_query else ""
        return f"{self.scheme}://{self.host}{self.raw_path}{query}"

    @property
    def base_url(self) -> str:
        """The address without path and query."""
        return f"{self.scheme}://{self.host}"

    @property
    def path_style(self) -> str:
        """The path with the bucket at its beginning, wherever a client of S3 has put it."""
        bucket = bucket_in(self.host)
        return f"/{bucket}{self.raw_path}" if bucket else self.raw_path

    @cached_property
    def query(self) -> dict[str, str]:
        """Decoded; of a name that is there twice, the last."""
        return dict(parse_qsl(self.raw_query, keep_blank_values=True))

    @cached_property
    def form(self) -> dict[str, str]:
        """The body of the query protocol, decoded."""
        if not self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            return {}
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))


def bucket_in(host: str) -> str:
    """The bucket that a host's name says (`wine.s3.ml.example.com`); empty: none.

    Buckets are told from other names as at Amazon, by a label `s3` after them; and below `localhost`, which every
    bucket's name may stand before.

    Source: "Virtual hosting of general purpose buckets" (S3 User Guide).
    """
    name = host.partition(":")[0].lower()
    before, mark, _ = name.rpartition(_BEFORE_S3)
    if mark:
        return before
    bucket = name.removesuffix(_BELOW_LOCALHOST)
    return bucket if bucket not in (name, "s3") else ""
