"""The pages at `/docs`: Swagger UI from files of the installed package, so that they work without the internet."""

from collections.abc import Awaitable, Callable
from html import escape
from importlib.resources import files

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="docs/swagger-ui.css"><link rel="icon" href="docs/favicon-32x32.png"></head>
<body><div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script><script src="docs/start.js"></script></body></html>"""
_START = """SwaggerUIBundle({
  url: "openapi.json", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null, defaultModelsExpandDepth: 0,
  presets: [SwaggerUIBundle.presets.apis], layout: "BaseLayout",
});
"""
# Swagger UI sets style attributes and draws its icons from data: URLs; nothing else may come from elsewhere.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'"
)
_FILES = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}


def add_api_pages(application: FastAPI) -> None:
    """Serve `/docs`. Every address in the page is relative, so that the application may be mounted anywhere."""
    page = _PAGE.format(title=escape(application.title)).encode()
    application.routes.append(Route("/docs", _answer(lambda: page, "text/html", _POLICY)))
    application.routes.append(Route("/docs/start.js", _answer(_START.encode, "text/javascript")))
    for name, media_type in _FILES.items():
        content = files("fastapi_swagger").joinpath("resources", name)
        application.routes.append(Route(f"/docs/{name}", _answer(content.read_bytes, media_type)))


def _answer(
    content: Callable[[], bytes], media_type: str, policy: str = ""
) -> Callable[[Request], Awaitable[Response]]:
    headers = {"Cache-Control": "max-age=3600", "X-Content-Type-Options": "nosniff"}

    async def answer(_request: Request) -> Response:
        named = {**headers, "Content-Security-Policy": policy} if policy else headers
        return Response(content(), media_type=media_type, headers=named)

    return answer
