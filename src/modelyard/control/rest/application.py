"""One REST application: its routers, uniform errors, request ids, audit, API pages and health."""

from collections.abc import Sequence

from fastapi import APIRouter, FastAPI

from modelyard.control.rest import errors
from modelyard.control.rest.api_pages import add_api_pages
from modelyard.control.rest.audit_log import AuditLog
from modelyard.control.rest.middleware import AuditMiddleware, BodyLimitMiddleware, RequestIdMiddleware
from modelyard.control.rest.openapi import complete_openapi
from modelyard.kit.clock import Clock, SystemClock


def create_application(
    *,
    title: str,
    description: str,
    routers: Sequence[APIRouter],
    audit: AuditLog,
    version: str,
    clock: Clock | None = None,
) -> FastAPI:
    """An ASGI application with `routers` (each protects its own routes through a Guard).

    Args:
        title: name on the API pages.
        description: Markdown for a newcomer: what this API is for and how its nouns hang together.
        routers: one for each capability, with tags.
        audit: receives an entry for every authenticated request that is not a GET, before its answer is sent.
        version: of the product.
        clock: for the audit's times; the machine's if None.
    """
    application = FastAPI(
        title=title,
        description=description,
        version=version,
        responses=errors.OPENAPI_RESPONSES,
        docs_url=None,
        redoc_url=None,
    )
    complete_openapi(application)
    add_api_pages(application)
    errors.install(application)
    application.get("/health", tags=["health"], summary="Is it alive?", responses={})(_health)
    for router in routers:
        application.include_router(router)
    # The last one added is the outermost: every answer, also an audit failure, carries a request id.
    application.add_middleware(BodyLimitMiddleware)
    application.add_middleware(AuditMiddleware, audit=audit, clock=clock or SystemClock())
    application.add_middleware(RequestIdMiddleware)
    return application


def _health() -> dict[str, str]:
    """Answers without a token as soon as the application can work."""
    return {"status": "ok"}
