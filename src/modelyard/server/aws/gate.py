"""Parts requests to the AWS APIs from all others, which share one port. Imports no AWS library."""

import importlib.util
from collections.abc import Callable

import structlog
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from modelyard.facades.aws.wire.errors import AwsError
from modelyard.facades.aws.wire.plain_errors import plain_error
from modelyard.facades.aws.wire.recognition import is_for_aws
from modelyard.facades.aws.wire.requests import WireRequest
from modelyard.kit.ids import new_id

_log = structlog.get_logger(__name__)

_MISSING = (
    "The AWS APIs are not installed where this platform runs. pip install 'modelyard[aws]' there, and start it again."
)
_ELSEWHERE = (
    "The AWS APIs need all three applications in one process: send this to a platform that `modelyard up` runs."
)


def is_installed() -> bool:
    """Whether the extra `aws` is there."""
    return all(importlib.util.find_spec(name) is not None for name in ("moto", "botocore"))


class AwsGate:
    """Requests that are signed the AWS way go to `aws`, all others to `inner`.

    Args:
        inner: the REST applications.
        aws: makes the AWS APIs, at the first request for them: their libraries take a second and 80 MB. None: they
            are not to be had here.
    """

    def __init__(self, inner: ASGIApp, aws: Callable[[], ASGIApp] | None) -> None:
        self._inner = inner
        self._make = aws
        self._aws: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http" or not is_for_aws(scope):
            await self._inner(scope, receive, send)
            return
        if self._make is None or not is_installed():
            error = AwsError("NotImplemented", _ELSEWHERE if is_installed() else _MISSING, status=501)
            answer = plain_error(error, WireRequest.of(scope), new_id("aws"))
            await Response(answer.body, answer.status, dict(answer.headers))(scope, receive, send)
            return
        if self._aws is None:
            self._aws = self._make()
            _log.info("aws apis are loaded")
        await self._aws(scope, receive, send)
