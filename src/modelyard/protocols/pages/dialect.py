"""The page's paths, as a dialect of the gateway.

The page is the same for every endpoint and says nothing about it, so it needs no token; it asks for one, and with that
it reads `openapi.json`.
"""

import re
from collections.abc import Mapping
from html import escape
from importlib.util import find_spec
from pathlib import Path

from modelyard.dataplane.errors import RouteNotFoundError
from modelyard.dataplane.gateway.dialect import (
    EndpointView,
    Headers,
    InferenceCall,
    Operation,
    PlainDialect,
    Reply,
    Target,
)
from modelyard.protocols.pages.openapi import document
from modelyard.types.signatures import Signature

_PATH = re.compile(r"/endpoints/(?P<endpoint>[^/]+)/(?P<what>openapi\.json|docs(?:/(?P<file>[^/]+))?)")
_PAGE = "page.html"
_OWN = {_PAGE: b"text/html", "start.js": b"text/javascript", "page.css": b"text/css"}
_SWAGGER = {
    "swagger-ui.css": b"text/css",
    "swagger-ui-bundle.js": b"text/javascript",
    "favicon-32x32.png": b"image/png",
}
# Swagger UI sets style attributes and draws its icons from data: URLs; nothing else may come from elsewhere.
_HEADERS = (
    b"cache-control: max-age=3600\r\nx-content-type-options: nosniff\r\n"
    b"content-security-policy: default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    b"img-src 'self' data:; connect-src 'self'; form-action 'none'; frame-ancestors 'none'\r\n"
)


class EndpointPages(PlainDialect):
    """Pages and their description; takes no inference requests."""

    prefixes: tuple[str, ...] = ("/endpoints/",)

    def __init__(self) -> None:
        self._files: dict[str, bytes] = {}

    def target(self, path: str) -> Target | None:
        """See Dialect."""
        found = _PATH.fullmatch(path)
        if found is None:
            return None
        if found["what"] == "openapi.json":
            return Target(Operation.ENDPOINT_METADATA, found["endpoint"])
        return Target(Operation.PAGE, found["endpoint"], detail=found["file"] or _PAGE)

    def parse(self, body: bytes, headers: Headers, signature: Signature) -> InferenceCall:
        """See Dialect: no path of this one takes inference requests."""
        del body, headers, signature
        raise RouteNotFoundError("pages take no requests", hint="See the reference of the REST API.")

    def describe_endpoint(self, target: Target, endpoint: EndpointView) -> Mapping[str, object]:
        """See Dialect."""
        del target
        return document(endpoint)

    def page(self, target: Target) -> Reply:
        """See Dialect."""
        name = target.detail
        media_type = _OWN.get(name) or _SWAGGER.get(name)
        if media_type is None:
            return super().page(target)
        content = self._content(name)
        if name == _PAGE:
            content = content.replace(b"{endpoint}", escape(target.endpoint).encode("utf-8", "replace"))
        return Reply(media_type, content, _HEADERS)

    def _content(self, name: str) -> bytes:
        content = self._files.get(name)
        if content is None:
            folder = Path(__file__).parent if name in _OWN else _swagger_folder()
            content = self._files[name] = (folder / name).read_bytes()
        return content


def _swagger_folder() -> Path:
    """Where the package with Swagger UI lies; it is looked up and not imported, as it would load FastAPI."""
    spec = find_spec("fastapi_swagger")
    assert spec is not None and spec.origin is not None  # noqa: S101, PT018 - a dependency
    return Path(spec.origin).parent / "resources"
