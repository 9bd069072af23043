"""Who may call a route: bearer token -> principal -> policy, as a FastAPI dependency."""

from collections.abc import Callable
from typing import Annotated, Protocol

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from modelyard.control.rest.policy import Policy
from modelyard.errors import NotFoundError, PermissionDeniedError, UnauthenticatedError
from modelyard.types.access import Action, Principal

_BEARER = HTTPBearer(
    auto_error=False, scheme_name="token", description="A Modelyard token: `Authorization: Bearer my_...`."
)
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]


class ProjectNotFoundError(NotFoundError):
    """No project has this name."""

    code = "project_not_found"


class Authenticator(Protocol):
    """Knows the tokens. Implementations: access.service.AccessService, and RegistryClient in other processes."""

    def authenticate(self, secret: str) -> Principal:
        """Who holds this token.

        Raises:
            UnauthenticatedError: unknown, expired or revoked.
        """


class Guard:
    """Makes the dependencies that protect routes. Every route but /health has one.

    Args:
        authenticator: tells who holds a token.
        projects: tells whether a project exists.
    """

    def __init__(self, authenticator: Authenticator, projects: Callable[[str], bool]) -> None:
        self._authenticator = authenticator
        self._projects = projects
        self._policy = Policy()

    def require(self, action: Action) -> Callable[..., Principal]:
        """A dependency that lets callers pass who may do `action` on the route's `{project}`, and names them.

        On a route without `{project}` the action is on the platform, which project-bound tokens may only read.

        Raises (when called by FastAPI):
            UnauthenticatedError: no or no valid token.
            PermissionDeniedError: role too small or another project, whether that project exists or not.
            ProjectNotFoundError: the caller might, but there is no such project.
        """

        def dependency(request: Request, credentials: Credentials) -> Principal:
            principal = self._identify(request, credentials)
            project = request.path_params.get("project")
            self.check(principal, action, project)
            if project is not None and not self._projects(project):
                raise ProjectNotFoundError(
                    f"There is no project '{project}'", hint="GET /registry/v1/projects lists the projects you can use."
                )
            return principal

        return dependency

    def require_own(self, action: Action) -> Callable[..., Principal]:
        """A dependency for routes without `{project}` whose service limits itself to the caller's own project.

        The action is on the project that the token is bound to, or on the platform when it is bound to none.
        """

        def dependency(request: Request, credentials: Credentials) -> Principal:
            principal = self._identify(request, credentials)
            self.check(principal, action, principal.project)
            return principal

        return dependency

    def check(self, principal: Principal, action: Action, project: str | None) -> None:
        """Nothing if `principal` may do `action` on `project` (None: the platform).

        Raises:
            PermissionDeniedError: it may not.
        """
        if self._policy.allows(principal, action, project):
            return
        what = "the platform" if project is None else f"project '{project}'"
        bound = "" if principal.project is None else f" in project '{principal.project}'"
        raise PermissionDeniedError(
            f"Token '{principal.name}' ({principal.role}{bound}) may not {action} {what}",
            hint="Ask an administrator for a token with a larger role or for this project.",
        )

    def _identify(self, request: Request, credentials: HTTPAuthorizationCredentials | None) -> Principal:
        if credentials is None:
            raise UnauthenticatedError(
                "This request carries no token",
                hint="Send the header `Authorization: Bearer <token>`; `modelyard token create` makes one.",
            )
        principal = self._authenticator.authenticate(credentials.credentials)
        request.state.principal = principal  # the audit and idempotency look here
        return principal
