"""Routes of tokens and identities."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, status

from modelyard.control.access.schemas import CreatedToken, Introspect, TokenCreate
from modelyard.control.access.service import AccessService
from modelyard.control.rest.dependencies import PageParameters
from modelyard.control.rest.guard import Guard
from modelyard.control.rest.pages import Page
from modelyard.types.access import Action, Principal, Token
from modelyard.types.routing import RouteToken


def router(service: AccessService, guard: Guard) -> APIRouter:
    """/tokens, /whoami, /introspect and /route-tokens."""
    routes = APIRouter(tags=["tokens"])
    Administrator = Annotated[Principal, Depends(guard.require_own(Action.ADMINISTER))]  # noqa: N806 - a type

    @routes.get("/whoami", summary="Who am I?")
    def whoami(principal: Annotated[Principal, Depends(guard.require_own(Action.READ))]) -> Principal:
        """The identity, role and project of the token that you sent."""
        return principal

    @routes.get("/tokens", summary="List tokens")
    def list_tokens(
        principal: Administrator,
        page: PageParameters,
        project: Annotated[str | None, Query(description="Only tokens bound to this project.")] = None,
    ) -> Page[Token]:
        """Newest first, without their secrets. A project's administrator sees the tokens of that project."""
        if project is not None:
            guard.check(principal, Action.ADMINISTER, project)
        return service.list(principal.project or project, page)

    @routes.post("/tokens", summary="Create a token", status_code=status.HTTP_201_CREATED)
    def create_token(principal: Administrator, body: TokenCreate) -> CreatedToken:
        """The answer holds the secret, this once. A project's administrator makes tokens for that project only.

        There is no idempotency key here: repeating an answer would mean keeping the secret. If an answer was lost,
        revoke that token and create another.
        """
        guard.check(principal, Action.ADMINISTER, body.project)
        token, secret = service.create(body.name, body.role, body.project, body.expires_at, body.requests_per_second)
        return CreatedToken(token=token, secret=secret)

    @routes.delete("/tokens/{token_id}", summary="Revoke a token")
    def revoke_token(principal: Administrator, token_id: str) -> Token:
        """Ends it at once here, within five seconds in other processes. It stays in the list, marked as revoked."""
        return service.revoke(token_id, principal.project)

    @routes.post(
        "/introspect", summary="Who holds this token?", dependencies=[Depends(guard.require(Action.ADMINISTER))]
    )
    def introspect(body: Introspect) -> Principal:
        """How the Jobs and Operations applications check the tokens that come to them. Error 401 if it is not valid."""
        return service.authenticate(body.secret.get_secret_value())

    @routes.get(
        "/route-tokens",
        summary="What the gateway knows callers by",
        dependencies=[Depends(guard.require(Action.ADMINISTER))],
    )
    def list_route_tokens() -> list[RouteToken]:
        """Every token in force, as SHA-256, so that the gateway checks callers without asking anybody.

        Of access keys it is what their secrets make of some days: who reads that can sign as their holders on those.
        """
        return service.route_tokens()

    return routes
