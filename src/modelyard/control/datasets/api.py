"""Routes of datasets and their versions."""

import base64
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response, status
from fastapi.responses import StreamingResponse

from modelyard.control.datasets.errors import DatasetVersionNotFoundError
from modelyard.control.datasets.schemas import (
    DatasetCreate,
    DatasetUpdate,
    DatasetVersionCreate,
    DatasetVersionsCreate,
)
from modelyard.control.datasets.service import DatasetService
from modelyard.control.datasets.versions import DatasetVersionService, VersionRequest
from modelyard.control.rest.dependencies import Idempotency, IfMatch, PageParameters, set_etag
from modelyard.control.rest.guard import Guard
from modelyard.control.rest.pages import Page
from modelyard.types.access import Action, Principal
from modelyard.types.datasets import Dataset, DatasetFormat, DatasetVersion

_SUFFIXES: Mapping[DatasetFormat, str] = {
    DatasetFormat.CSV: "csv",
    DatasetFormat.PARQUET: "parquet",
    DatasetFormat.NPZ: "npz",
    DatasetFormat.IMAGE_FOLDER: "zip",
}
_ANY_BYTES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
}


def router(service: DatasetService, versions: DatasetVersionService, guard: Guard) -> APIRouter:
    """/projects/{project}/datasets and everything below."""
    routes = APIRouter()
    routes.include_router(_dataset_routes(service, guard))
    routes.include_router(_version_routes(versions, guard))
    routes.include_router(_joint_routes(versions, guard))
    return routes


def _dataset_routes(service: DatasetService, guard: Guard) -> APIRouter:
    routes = APIRouter(tags=["datasets"], prefix="/projects/{project}/datasets")
    can_read, can_write = Depends(guard.require(Action.READ)), Depends(guard.require(Action.WRITE))

    @routes.get("", summary="List datasets", dependencies=[can_read])
    def list_datasets(
        project: str,
        page: PageParameters,
        tag: Annotated[list[str], Query(description="Only datasets with this tag; repeat it for several.")] = [],  # noqa: B006 - FastAPI copies it
        text: Annotated[
            str, Query(max_length=200, description="Words that must stand in the name, description or tags.")
        ] = "",
    ) -> Page[Dataset]:
        """By name."""
        return service.list(project, tag, text, page)

    @routes.post("", summary="Create a dataset", status_code=status.HTTP_201_CREATED)
    def create_dataset(
        project: str,
        _principal: Annotated[Principal, can_write],
        creation: Idempotency,
        body: DatasetCreate,
        response: Response,
    ) -> Dataset:
        """A name for a line of versions. Adding a version to a name that does not exist makes the dataset as well."""
        dataset = service.create(project, body.name, body.description, body.tags, creation)
        set_etag(response, dataset.version)
        return dataset

    @routes.get("/{dataset}", summary="Show a dataset", dependencies=[can_read])
    def get_dataset(project: str, dataset: str, response: Response) -> Dataset:
        """`latest` is its newest version's number. The ETag header is what If-Match takes in a change."""
        found = service.get(project, dataset)
        set_etag(response, found.version)
        return found

    @routes.patch("/{dataset}", summary="Change description or tags", dependencies=[can_write])
    def update_dataset(
        project: str, dataset: str, body: DatasetUpdate, expected_version: IfMatch, response: Response
    ) -> Dataset:
        """The name and the versions never change."""
        changed = service.update(project, dataset, body.description, body.tags, expected_version)
        set_etag(response, changed.version)
        return changed

    @routes.delete(
        "/{dataset}",
        summary="Delete a dataset with all its versions",
        status_code=status.HTTP_204_NO_CONTENT,
        dependencies=[can_write],
    )
    def delete_dataset(project: str, dataset: str, expected_version: IfMatch) -> None:
        """Refused with `dataset_in_use` while there are model versions that were trained on it."""
        service.delete(project, dataset, expected_version)

    return routes


def _joint_routes(service: DatasetVersionService, guard: Guard) -> APIRouter:
    routes = APIRouter(tags=["datasets"])

    @routes.post(
        "/projects/{project}/dataset-versions",
        summary="Add versions to several datasets",
        status_code=status.HTTP_201_CREATED,
    )
    def create_versions(
        project: str,
        principal: Annotated[Principal, Depends(guard.require(Action.WRITE))],
        body: DatasetVersionsCreate,
    ) -> Sequence[DatasetVersion]:
        """Takes a finished upload for each. If one of them cannot be taken, none becomes a version.

        Doing it again is harmless: content that a dataset has already gives the version that has it.
        """
        wanted = [(_request(project, each.dataset, each, principal), each.upload) for each in body.versions]
        return service.create_from_uploads(wanted)

    return routes


def _request(project: str, dataset: str, body: DatasetVersionCreate, principal: Principal) -> VersionRequest:
    return VersionRequest(
        project=project,
        dataset=dataset,
        format=body.format,
        description=body.description,
        source=body.source,
        created_by=principal.name,
    )


def _version_routes(service: DatasetVersionService, guard: Guard) -> APIRouter:
    routes = APIRouter(tags=["datasets"], prefix="/projects/{project}/datasets/{dataset}/versions")
    can_read = Depends(guard.require(Action.READ))

    @routes.get("", summary="List versions", dependencies=[can_read])
    def list_versions(project: str, dataset: str, page: PageParameters) -> Page[DatasetVersion]:
        """The newest first."""
        return service.list(project, dataset, page)

    @routes.post("", summary="Add a version", status_code=status.HTTP_201_CREATED)
    def create_version(
        project: str,
        dataset: str,
        principal: Annotated[Principal, Depends(guard.require(Action.WRITE))],
        creation: Idempotency,
        body: DatasetVersionCreate,
    ) -> DatasetVersion:
        """Takes a finished upload, tells its format and schema, and keeps it for ever under the next number.

        Content that the dataset has already gives the version that has it. Large files take a while: their whole
        content is read.
        """
        return service.create_from_upload(_request(project, dataset, body, principal), body.upload, creation)

    @routes.get("/{number}", summary="Show a version", dependencies=[can_read])
    def get_version(project: str, dataset: str, number: str) -> DatasetVersion:
        """`number` is a version's number, or `latest`. The schema says what is in each column, and what is odd."""
        return service.get(project, dataset, _number(number))

    @routes.get(
        "/{number}/content",
        summary="Download a version",
        response_class=StreamingResponse,
        responses=_ANY_BYTES,
        dependencies=[can_read],
    )
    def get_content(project: str, dataset: str, number: str) -> StreamingResponse:
        """The bytes as they were uploaded; Repr-Digest holds their SHA-256."""
        version = service.get(project, dataset, _number(number))
        digest = base64.b64encode(bytes.fromhex(version.digest)).decode()
        headers = {
            "Content-Length": str(version.size_bytes),
            "Repr-Digest": f"sha-256=:{digest}:",  # Source: RFC 9530
            "Content-Disposition": f'attachment; filename="{dataset}-{version.number}.{_SUFFIXES[version.format]}"',
        }
        return StreamingResponse(service.stream(version), media_type="application/octet-stream", headers=headers)

    return routes


def _number(text: str) -> int | None:
    if text == "latest":
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 10):  # noqa: PLR2004 - what fits into an Integer column
        raise DatasetVersionNotFoundError(
            f"'{text[:40]}' is not a version", hint="Use a version's number, or `latest`.", field="number"
        )
    return int(text)
