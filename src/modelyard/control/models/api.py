"""Routes of models, versions, aliases and deployments."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response, status
from fastapi.responses import FileResponse, StreamingResponse
from starlette.background import BackgroundTask

from modelyard.control.models.builds import BuildService
from modelyard.control.models.registration import RegistrationService, Submission
from modelyard.control.models.schemas import (
    AliasPut,
    BuildCreate,
    DeploymentPut,
    EvaluationPut,
    ModelCreate,
    ModelUpdate,
    VersionCreate,
)
from modelyard.control.models.service import ModelService
from modelyard.control.rest.dependencies import Idempotency, IfMatch, PageParameters, set_etag
from modelyard.control.rest.guard import Guard
from modelyard.control.rest.pages import Page
from modelyard.kit.clock import Clock
from modelyard.types.access import Action, Principal, Role
from modelyard.types.models import Evaluation, Lineage, LineageGraph, Model, ModelVersion

_MODEL = "/projects/{project}/models/{model}"
_VERSION = _MODEL + "/versions/{ref}"
Ref = Annotated[str, Path(description="A number (3), `latest`, or an alias (@champion).", examples=["latest"])]


def router(
    service: ModelService, registration: RegistrationService, builds: BuildService, guard: Guard, clock: Clock
) -> APIRouter:
    """/projects/{project}/models and /projects/{project}/deployments."""
    routes = APIRouter(tags=["models"])
    _add_models(routes, service, guard)
    _add_versions(routes, service, registration, guard)
    _add_contents(routes, service, guard)
    _add_builds(routes, builds, guard)
    _add_marks(routes, service, guard, clock)
    return routes


def _add_models(routes: APIRouter, service: ModelService, guard: Guard) -> None:
    read = [Depends(guard.require(Action.READ))]
    write = [Depends(guard.require(Action.WRITE))]

    @routes.get("/projects/{project}/models", summary="List models", dependencies=read)
    def list_models(project: str, page: PageParameters) -> Page[Model]:
        """By name. To find a model by what it does and how well, use the search."""
        return service.list_models(project, page)

    @routes.post("/projects/{project}/models", summary="Create a model", status_code=status.HTTP_201_CREATED)
    def create_model(
        project: str,
        _principal: Annotated[Principal, Depends(guard.require(Action.WRITE))],
        creation: Idempotency,
        body: ModelCreate,
        response: Response,
    ) -> Model:
        """A model is a named line of versions. Registering a version makes it too; here it gets a text first."""
        model = service.create(project, body.name, body.description, body.tags, creation)
        set_etag(response, model.version)
        return model

    @routes.get(_MODEL, summary="Show a model", dependencies=read)
    def get_model(project: str, model: str, response: Response) -> Model:
        """With its aliases and the number of its newest version."""
        found = service.get(project, model)
        set_etag(response, found.version)
        return found

    @routes.patch(_MODEL, summary="Change a model", dependencies=write)
    def update_model(
        project: str, model: str, body: ModelUpdate, expected_version: IfMatch, response: Response
    ) -> Model:
        """Changes description and tags. Versions never change."""
        changed = service.update(project, model, body.description, body.tags, expected_version)
        set_etag(response, changed.version)
        return changed

    @routes.delete(_MODEL, summary="Delete a model", status_code=status.HTTP_204_NO_CONTENT, dependencies=write)
    def delete_model(project: str, model: str, expected_version: IfMatch) -> None:
        """With all its versions; refused with `model_in_use` while an endpoint serves one of them."""
        service.delete(project, model, expected_version)


def _add_versions(routes: APIRouter, service: ModelService, registration: RegistrationService, guard: Guard) -> None:
    read = [Depends(guard.require(Action.READ))]

    @routes.get(f"{_MODEL}/versions", summary="List versions", dependencies=read)
    def list_versions(project: str, model: str, page: PageParameters) -> Page[ModelVersion]:
        """Newest first."""
        return service.list_versions(project, model, page)

    @routes.post(f"{_MODEL}/versions", summary="Register a version", status_code=status.HTTP_201_CREATED)
    def create_version(
        project: str,
        model: str,
        principal: Annotated[Principal, Depends(guard.require(Action.WRITE))],
        creation: Idempotency,
        body: VersionCreate,
    ) -> ModelVersion:
        """Upload the files first (POST /projects/{project}/uploads), then name their uploads here.

        ONNX, skops, XGBoost, LightGBM and CatBoost files are taken, told by their content. Pickles are refused, for
        loading one runs code; the answer says how to save the model as data. The same files again give the same version
        again.
        """
        submission = Submission(
            manifest=body.manifest,
            card=body.card.model_dump(exclude_unset=True),
            lineage=_signed(body.lineage, principal),
        )
        return registration.register_uploads(project, model, body.files, submission, creation)

    @routes.get(_VERSION, summary="Show a version", dependencies=read)
    def get_version(project: str, model: str, ref: Ref) -> ModelVersion:
        """Its card, signature, files, lineage, evaluations, and the endpoints that serve it."""
        return service.version(project, model, ref)

    @routes.delete(
        _MODEL + "/versions/{number}",
        summary="Delete a version",
        status_code=status.HTTP_204_NO_CONTENT,
        dependencies=[Depends(guard.require(Action.WRITE))],
    )
    def delete_version(project: str, model: str, number: Annotated[int, Path(ge=1, le=10**9)]) -> None:
        """Refused with `model_in_use` while an endpoint serves it or an alias points to it."""
        service.delete_version(project, model, number)


def _add_contents(routes: APIRouter, service: ModelService, guard: Guard) -> None:
    read = [Depends(guard.require(Action.READ))]

    @routes.get(
        _VERSION + "/files/{path:path}",
        summary="Download a file of a version",
        dependencies=read,
        response_class=StreamingResponse,
    )
    def get_file(project: str, model: str, ref: Ref, path: str) -> StreamingResponse:
        """The bytes of one file. Its SHA-256 is the ETag."""
        file, chunks = service.file(project, model, ref, path)
        headers = {
            "Content-Length": str(file.size_bytes),
            "ETag": f'"{file.digest}"',
            "X-Content-Type-Options": "nosniff",
        }
        return StreamingResponse(chunks, media_type="application/octet-stream", headers=headers)

    @routes.get(f"{_VERSION}/lineage", summary="Where a version came from and went", dependencies=read)
    def get_lineage(project: str, model: str, ref: Ref) -> LineageGraph:
        """A graph of datasets, jobs, versions and endpoints around this version."""
        return service.lineage(project, model, ref)


def _add_builds(routes: APIRouter, builds: BuildService, guard: Guard) -> None:
    @routes.post(
        f"{_VERSION}/builds",
        summary="Compile a version to a target",
        dependencies=[Depends(guard.require(Action.WRITE))],
        response_class=FileResponse,
        responses={200: {"content": {"application/zip": {}}}},
    )
    def create_build(project: str, model: str, ref: Ref, body: BuildCreate) -> FileResponse:
        """Answers a zip file with what was made and `build.json`, which says how it compares and how to use it.

        The version stays as it is and nothing is stored: a build that is a bundle can be registered as a new version.
        """
        made = builds.build(project, model, ref, body.target, body.tolerance)
        return FileResponse(made, media_type="application/zip", background=BackgroundTask(made.unlink, missing_ok=True))


def _add_marks(routes: APIRouter, service: ModelService, guard: Guard, clock: Clock) -> None:
    write = [Depends(guard.require(Action.WRITE))]

    @routes.put(_MODEL + "/aliases/{alias}", summary="Point an alias to a version", dependencies=write)
    def set_alias(project: str, model: str, alias: str, body: AliasPut) -> Model:
        """An alias is a name that moves: `digits@champion` is version 2 today and version 3 tomorrow."""
        return service.set_alias(project, model, alias, body.number)

    @routes.delete(
        _MODEL + "/aliases/{alias}",
        summary="Delete an alias",
        status_code=status.HTTP_204_NO_CONTENT,
        dependencies=write,
    )
    def delete_alias(project: str, model: str, alias: str) -> None:
        """The version that it points to stays."""
        service.delete_alias(project, model, alias)

    @routes.put(_VERSION + "/evaluations/{name}", summary="Record a verdict on a version", dependencies=write)
    def record_evaluation(project: str, model: str, ref: Ref, name: str, body: EvaluationPut) -> ModelVersion:
        """A promotion gate, a review: whether it passed, why, the figures. The same name replaces an earlier one."""
        evaluation = Evaluation(
            name=name, is_passed=body.is_passed, reason=body.reason, figures=body.figures, at=body.at or clock.now()
        )
        return service.record_evaluation(project, model, ref, evaluation)

    @routes.put(
        "/projects/{project}/deployments/{endpoint}",
        summary="Say which versions an endpoint serves",
        dependencies=[Depends(guard.require(Action.OPERATE))],
    )
    def record_deployments(project: str, endpoint: str, body: DeploymentPut) -> list[ModelVersion]:
        """The Operations application says so here, so that lineage is complete and nobody deletes what is served."""
        return service.record_deployments(project, endpoint, body.refs)


def _signed(lineage: Lineage, principal: Principal) -> Lineage:
    """With who made it. Other applications, which call with an administrator's token, may name their own caller."""
    is_on_behalf = principal.role is Role.ADMIN and lineage.created_by != ""
    return lineage if is_on_behalf else replace(lineage, created_by=principal.name)
