"""Downloads that are whole and right, or absent."""

from functools import partial
from pathlib import Path

from modelyard.errors import InternalError, TemporaryError
from modelyard.kit.files import sha256_file
from modelyard.sdk.errors import error_of
from modelyard.sdk.resource import pause_seconds
from modelyard.sdk.steps import Download, Flow, Pause, Response, Work

_ATTEMPTS = 4


class ContentDamagedError(InternalError):
    """What came has another digest than what was sent."""

    code = "content_damaged"


def download(step: Download, digest: str) -> Flow[None]:
    """Perform the download; the file is removed again unless its SHA-256 is `digest`.

    Raises:
        ContentDamagedError: it is not.
    """
    attempt = 0
    while True:
        attempt += 1
        try:
            response: Response = yield step
            if response.status >= 400:  # noqa: PLR2004
                raise error_of(response)
        except TemporaryError as error:
            if attempt >= _ATTEMPTS:
                raise
            yield Pause(pause_seconds(attempt, error))
        else:
            yield Work(partial(_check, step.target, digest))
            return


def _check(file: Path, digest: str) -> None:
    found = sha256_file(file)
    if found != digest:
        file.unlink()
        raise ContentDamagedError(
            f"{file.name} has the digest {found[:12]}..., {digest[:12]}... was expected", hint="Download it again."
        )
