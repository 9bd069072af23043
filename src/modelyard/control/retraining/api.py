"""Routes of retraining."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Response, status

from modelyard.control.rest.dependencies import Idempotency, IfMatch, PageParameters, set_etag
from modelyard.control.rest.guard import Guard
from modelyard.control.rest.pages import Page
from modelyard.control.retraining.policies import PolicyService
from modelyard.control.retraining.schemas import PolicyCreate, PolicyUpdate, RunRequest
from modelyard.control.retraining.service import RetrainingService
from modelyard.types.access import Action, Principal
from modelyard.types.monitoring import RetrainingPolicy, RetrainingRun
from modelyard.types.retraining.rules import PolicyStatus


def router(
    policies: PolicyService, service: RetrainingService, carry: Callable[[str], None], guard: Guard
) -> APIRouter:
    """/projects/{project}/retraining-policies. `carry` starts the workflow of a run (RetrainingWorkflow.start)."""
    routes = APIRouter(prefix="/projects/{project}/retraining-policies", tags=["retraining"])
    reads, operates = guard.require(Action.READ), guard.require(Action.OPERATE)

    @routes.get("", summary="List retraining policies", dependencies=[Depends(reads)])
    def list_policies(project: str, page: PageParameters) -> Page[RetrainingPolicy]:
        """By name."""
        return policies.list(project, page)

    @routes.post("", summary="Create a retraining policy", status_code=status.HTTP_201_CREATED)
    def create_policy(
        project: str,
        _principal: Annotated[Principal, Depends(operates)],
        creation: Idempotency,
        body: PolicyCreate,
        response: Response,
    ) -> RetrainingPolicy:
        """When to train an endpoint's model again, and what the new version must prove before it takes the traffic."""
        policy = policies.create(project, body, creation)
        set_etag(response, policy.version)
        return policy

    @routes.get("/{policy}", summary="Show a retraining policy", dependencies=[Depends(reads)])
    def get_policy(project: str, policy: str, response: Response) -> RetrainingPolicy:
        """The answer's ETag header is what If-Match takes in a change."""
        found = policies.get(project, policy)
        set_etag(response, found.version)
        return found

    @routes.get("/{policy}/status", summary="Say what a policy waits for", dependencies=[Depends(reads)])
    def get_status(project: str, policy: str) -> PolicyStatus:
        """Whether it starts a run now, and if not, why: the first condition that does not hold."""
        return service.status(project, policy)

    @routes.patch("/{policy}", summary="Change a retraining policy", dependencies=[Depends(operates)])
    def update_policy(
        project: str, policy: str, body: PolicyUpdate, expected_version: IfMatch, response: Response
    ) -> RetrainingPolicy:
        """What is left out of the body stays. After three failed runs in a row a policy switches itself off."""
        changed = policies.update(project, policy, body, expected_version)
        set_etag(response, changed.version)
        return changed

    @routes.delete(
        "/{policy}",
        summary="Delete a retraining policy",
        status_code=status.HTTP_204_NO_CONTENT,
        dependencies=[Depends(operates)],
    )
    def delete_policy(project: str, policy: str, expected_version: IfMatch) -> None:
        """A run under way goes on to its end."""
        policies.delete(project, policy, expected_version)

    @routes.post("/{policy}/run", summary="Retrain now", status_code=status.HTTP_202_ACCEPTED)
    def run_policy(
        project: str,
        policy: str,
        principal: Annotated[Principal, Depends(operates)],
        creation: Idempotency,
        body: RunRequest | None = None,
    ) -> RetrainingRun:
        """Starts a run without waiting for a trigger, enough labels, the cool-down or the budget.

        Follow it under `runs`. With a `version` in the body nothing is trained: that version proves itself.
        """
        version = body.version if body else None
        cause = f"Started by hand by {principal.name}" + (f" for {version}." if version else ".")
        run = service.start(project, policy, cause, creation, version=version)
        carry(run.id)
        return run

    @routes.get("/{policy}/runs", summary="List runs", dependencies=[Depends(reads)])
    def list_runs(project: str, policy: str, page: PageParameters) -> Page[RetrainingRun]:
        """The newest first: what started each, what it made, and why it ended as it did."""
        return policies.runs(project, policy, page)

    return routes
