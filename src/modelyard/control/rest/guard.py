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

    def require(self, action: Action) -> "Requirement":
        """A dependency that lets callers pass who may do `action` on the route's `{project}`, and names them.

        On a route without `{project}` the action is on the platform, which project-bound tokens may only read.
        """
        return Requirement(self, action, is_own=False)

    def require_own(self, action: Action) -> "Requirement":
        """A dependency for routes without `{project}` whose service limits itself to the caller's own project.

        The action is on the project that the token is bound to, or on the platform when it is bound to none.
        """
        return Requirement(self, action, is_own=True)

    def check_project(self, name: str) -> None:
        """Nothing if there is such a project.

        Raises:
            ProjectNotFoundError: there is none.
        """
        if not self._projects(name):
            raise ProjectNotFoundError(
                f"There is no project '{name}'", hint="GET /registry/v1/projects lists the projects you can use."
            )

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

    def identify(self, request: Request, credentials: HTTPAuthorizationCredentials | None) -> Principal:
        """The caller, also left on the request's state.

        Raises:
            UnauthenticatedError: no token, or not a valid one.
        """
        if credentials is None:
            raise UnauthenticatedError(
                "This request carries no token",
                hint="Send the header `Authorization: Bearer <token>`; `modelyard token create` makes one.",
            )
        principal = self._authenticator.authenticate(credentials.credentials)
        request.state.principal = principal  # the audit and idempotency look here
        request.state.project = request.path_params.get("project")
        return principal


class Requirement:
    """The dependency that a Guard makes; FastAPI calls it with the request."""

    def __init__(self, guard: Guard, action: Action, *, is_own: bool) -> None:
        self._guard = guard
        self.action = action
        self.is_own = is_own

    def __call__(self, request: Request, credentials: Credentials) -> Principal:
        """The caller, if he may.

        Raises:
            UnauthenticatedError: no or no valid token.
            PermissionDeniedError: role too small or another project, whether that project exists or not.
            ProjectNotFoundError: the caller may, but there is no such project.
        """
        principal = self._guard.identify(request, credentials)
        project = request.path_params.get("project")
        self._guard.check(principal, self.action, principal.project if self.is_own else project)
        if project is not None:
            self._guard.check_project(project)
        return principal
