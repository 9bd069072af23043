"""Content on its way to the platform, in pieces, going on where a broken connection left it."""

from functools import partial
from pathlib import Path

from modelyard.errors import ConflictError, InvalidInputError, TemporaryError
from modelyard.sdk.calls import Mode, call
from modelyard.sdk.errors import error_of
from modelyard.sdk.resource import REGISTRY, Resource, create, decode, delete, pause_seconds, read
from modelyard.sdk.steps import Flow, Pause, Progress, Request, Response, Work
from modelyard.types.uploads import Upload

PIECE_BYTES = 8 << 20
_ATTEMPTS = 8
_PIECE_SECONDS = 300.0


class FileMissingError(InvalidInputError):
    """A local file that is not there."""

    code = "file_missing"


class Uploads(Resource[Mode]):
    """Rarely needed by itself: datasets and models upload their files through it."""

    @call
    def send(self, file: str | Path, *, resume: str | None = None, progress: Progress | None = None) -> Flow[Upload]:
        """Upload a file; the result's `id` is what a dataset or model version is made of.

        Args:
            file: local path.
            resume: id of an upload of the same file that was begun earlier; what it has is not sent again.
            progress: called with (bytes sent, bytes in all).

        Raises:
            FileMissingError: there is no such file.
            TemporaryError: the platform stayed away for too long; the hint has the id to resume with.
        """
        return upload(self._path(REGISTRY, "uploads"), Path(file), resume=resume, progress=progress)

    @call
    def get(self, id: str) -> Flow[Upload]:
        """How far an upload is."""
        return read(Upload, self._path(REGISTRY, "uploads", id))

    @call
    def delete(self, id: str) -> Flow[None]:
        """Drop an upload that is not needed any more."""
        return delete(self._path(REGISTRY, "uploads", id))


def upload(
    uploads: str, file: Path, *, name: str = "", resume: str | None = None, progress: Progress | None = None
) -> Flow[Upload]:
    """Send `file` piece by piece to the collection at `uploads`; see Uploads.send."""
    size: int = yield Work(partial(_size, file))
    if resume is None:
        state: Upload = yield from create(Upload, uploads, {"filename": name or file.name, "size_bytes": size})
    else:
        state = yield from read(Upload, f"{uploads}/{resume}")
    failures = 0
    while state.offset < size:
        piece: bytes = yield Work(partial(_piece, file, state.offset))
        try:
            state = yield from _append(f"{uploads}/{state.id}", state.offset, piece)
            failures = 0
        except (TemporaryError, ConflictError) as error:
            # A conflict is a wrong offset: a piece whose answer was lost had arrived after all.
            failures += 1
            if failures >= _ATTEMPTS:
                error.hint = f"{error.hint} Go on later with resume='{state.id}'."
                raise
            if isinstance(error, TemporaryError):
                yield Pause(pause_seconds(failures, error))
            state = yield from read(Upload, f"{uploads}/{state.id}")
        if progress:
            progress(state.offset, size)
    return state


def _append(path: str, offset: int, piece: bytes) -> Flow[Upload]:
    headers = {"Upload-Offset": str(offset), "Content-Type": "application/octet-stream"}
    request = Request(method="PATCH", path=path, headers=headers, content=piece, timeout_seconds=_PIECE_SECONDS)
    response: Response = yield request
    if response.status >= 400:  # noqa: PLR2004
        raise error_of(response)
    return decode(response.content, Upload)


def _size(file: Path) -> int:
    if not file.is_file():
        what = "is a folder" if file.is_dir() else "does not exist"
        raise FileMissingError(f"the file {file} {what}", hint="Check the path.", field=str(file))
    return file.stat().st_size


def _piece(file: Path, offset: int) -> bytes:
    with file.open("rb") as content:
        content.seek(offset)
        return content.read(PIECE_BYTES)
