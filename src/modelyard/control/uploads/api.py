"""Routes of uploads."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request, Response, status
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from modelyard.control.rest.dependencies import Idempotency
from modelyard.control.rest.guard import Guard
from modelyard.control.uploads.schemas import UploadCreate
from modelyard.control.uploads.service import UploadService
from modelyard.types.access import Action, Principal
from modelyard.types.uploads import Upload

PIECE_BYTES = 8 << 20
"""A long body is stored in pieces of this size as it arrives: what an interruption can lose, and what is in memory."""

_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


def router(service: UploadService, guard: Guard) -> APIRouter:
    """/projects/{project}/uploads."""
    routes = APIRouter(tags=["uploads"], prefix="/projects/{project}/uploads")

    @routes.post("", summary="Start an upload", status_code=status.HTTP_201_CREATED)
    def create_upload(
        project: str,
        principal: Annotated[Principal, Depends(guard.require(Action.WRITE))],
        creation: Idempotency,
        body: UploadCreate,
    ) -> Upload:
        """Send the content with PATCH, then name the upload's id where you make a dataset or model version of it."""
        return service.create(project, body.filename, body.size_bytes, principal.name, creation)

    @routes.patch(
        "/{upload}",
        summary="Send content",
        openapi_extra=_BODY,
        dependencies=[Depends(guard.require(Action.WRITE))],
    )
    async def append_content(
        project: str,
        upload: str,
        offset: Annotated[
            int, Header(alias="Upload-Offset", ge=0, description="Where these bytes start: the upload's `offset`.")
        ],
        request: Request,
        response: Response,
    ) -> Upload:
        """The bytes of the body are added at Upload-Offset; send all at once or in parts of any size.

        If the connection breaks, ask with GET how far it came (`offset`) and go on from there. A wrong offset answers
        409 `upload_offset_mismatch`, with the right one in the hint.
        """
        grown = await _append_stream(service, project, upload, offset, request)
        response.headers["Upload-Offset"] = str(grown.offset)
        return grown

    @routes.get("/{upload}", summary="How far is an upload?", dependencies=[Depends(guard.require(Action.WRITE))])
    def get_upload(project: str, upload: str) -> Upload:
        """`offset` is the number of bytes that are safely stored."""
        return service.get(project, upload)

    @routes.delete(
        "/{upload}",
        summary="Drop an upload",
        status_code=status.HTTP_204_NO_CONTENT,
        dependencies=[Depends(guard.require(Action.WRITE))],
    )
    def delete_upload(project: str, upload: str) -> None:
        """Versions that were made from it keep their content."""
        service.delete(project, upload)

    return routes


async def _append_stream(service: UploadService, project: str, upload: str, offset: int, request: Request) -> Upload:
    """Store the body piece by piece; a broken connection keeps all that arrived."""
    announced = request.headers.get("Content-Length", "")
    size = int(announced) if announced.isdecimal() else 0
    grown = await run_in_threadpool(service.check_append, project, upload, offset, size)
    piece = bytearray()
    try:
        async for chunk in request.stream():
            piece += chunk
            if len(piece) >= PIECE_BYTES:
                grown = await run_in_threadpool(service.append, project, upload, grown.offset, bytes(piece))
                piece.clear()
    except ClientDisconnect:  # nobody hears the answer; what came is kept for the next try
        return await run_in_threadpool(service.append, project, upload, grown.offset, bytes(piece))
    return await run_in_threadpool(service.append, project, upload, grown.offset, bytes(piece))
