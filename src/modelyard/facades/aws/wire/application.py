"""The ASGI application of the AWS APIs: verify, route, validate, call, answer."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from modelyard.errors import ModelyardError
from modelyard.facades.aws.wire.answers import WireAnswer
from modelyard.facades.aws.wire.codec import Bound, bind, parse, serialize, serialize_error
from modelyard.facades.aws.wire.errors import AwsError, aws_error, in_protocol
from modelyard.facades.aws.wire.identity import Installation, identify
from modelyard.facades.aws.wire.operations import Answer, Call, Catalog, Operation, Request
from modelyard.facades.aws.wire.plain_errors import plain_error
from modelyard.facades.aws.wire.recognition import is_form
from modelyard.facades.aws.wire.requests import WireRequest
from modelyard.facades.aws.wire.routing import SERVICES, candidates
from modelyard.facades.aws.wire.signatures import Signature, signature_of
from modelyard.facades.aws.wire.user_agent import is_waiter
from modelyard.kit.ids import new_id
from modelyard.types.access import Action

_log = structlog.get_logger(__name__)

HOLD_SECONDS = 50.0  # boto3 waits 60 s for an answer
_LOOK_SECONDS = 0.4
_MOST_BODY_BYTES = 32 << 20
_UNNOTED = (Action.READ, Action.INFER)
_Handled = tuple[Operation, Call, Request]


@dataclass(frozen=True, slots=True)
class _Route:
    path: str


class AwsApplication:
    """Every service at one address.

    Args:
        installation: whose services answer.
        catalog: the operations.
        streams: services that answer whole requests themselves, body and all, by botocore's name: S3.
    """

    def __init__(self, installation: Installation, catalog: Catalog, streams: Mapping[str, ASGIApp]) -> None:
        self._installation = installation
        self._catalog = catalog
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            return
        request_id = new_id("aws")
        request = WireRequest.of(scope)
        try:
            if is_form(scope):
                await self._streams["s3"](scope, receive, send)
                return
            signature = signature_of(request)
            names = candidates(request, signature.service)
            stream = self._streams.get(names[0]) if names else None
            if stream is not None:
                await stream(scope, receive, send)
                return
            whole = WireRequest.of(scope, await _body(request, receive))
            service, bound = _bound(names, whole, signature)
            scope["route"] = _Route(f"aws:{service}:{bound.name}")  # figures are counted by it
            answer = await self._answer(service, bound, whole, signature, request_id, receive)
        except AwsError as error:
            answer = plain_error(error, request, request_id)
        await Response(answer.body, answer.status, dict(answer.headers))(scope, receive, send)

    async def _answer(
        self,
        service: str,
        bound: Bound,
        request: WireRequest,
        signature: Signature,
        request_id: str,
        receive: Receive,
    ) -> WireAnswer:
        """The operation's answer or error, both in its service's form; changes are noted in the audit."""
        handled: _Handled | None = None
        try:
            handled = await run_in_threadpool(self._prepare, service, bound, request, signature, request_id)
            answer = serialize(bound, await _run(*handled, receive), request_id)
        except AwsError as error:
            answer = serialize_error(bound, in_protocol(error, bound.protocol), request_id)
        except ModelyardError as error:
            answer = serialize_error(bound, in_protocol(aws_error(error), bound.protocol), request_id)
        except Exception:  # noqa: BLE001 - a client waits for an answer in its form, whatever happened
            _log.exception("aws operation failed", service=service, operation=bound.name, request_id=request_id)
            words = f"The platform met a defect in {bound.name}. Look for {request_id} in control.log and report it."
            answer = serialize_error(bound, AwsError("InternalFailure", words, status=500), request_id)
        if handled is not None and handled[0].action not in _UNNOTED:
            path = f"/aws/{service}/{bound.name}"
            await run_in_threadpool(self._installation.note, handled[1].principal, request.method, path, answer.status)
        return answer

    def _prepare(
        self, service: str, bound: Bound, request: WireRequest, signature: Signature, request_id: str
    ) -> _Handled:
        installation = self._installation
        principal = identify(signature, request, installation.access_keys, installation.clock)
        operation = self._catalog.find(service, bound.name)
        if operation is None:
            raise _not_supported(service, bound.name)
        project = principal.project or ""
        installation.guard.check(principal, operation.action, project)
        installation.guard.check_project(project)
        call = Call(
            service=service,
            operation=bound.name,
            principal=principal,
            project=project,
            access_key=signature.access_key,
            session_token=signature.session_token,
            account_id=installation.account_id,
            region=signature.region,
            request_id=request_id,
            base_url=request.base_url,
            user_agent=request.headers.get("user-agent", ""),
            is_waiter=is_waiter(request.headers.get("user-agent", "")),
        )
        return operation, call, parse(bound, request)


async def _run(operation: Operation, call: Call, members: Request, receive: Receive) -> Answer:
    """Call the operation, again and again while it holds the answer, which is about to change."""
    deadline = time.monotonic() + HOLD_SECONDS
    gone: asyncio.Future[None] | None = None
    try:
        while True:
            call.is_held = False
            outcome = await run_in_threadpool(_outcome, operation, call, members)
            if not call.is_held or time.monotonic() > deadline:
                return outcome()
            gone = gone or asyncio.ensure_future(_disconnected(receive))
            if (await asyncio.wait((gone,), timeout=_LOOK_SECONDS))[0]:
                return outcome()
    finally:
        if gone is not None:
            gone.cancel()


def _outcome(operation: Operation, call: Call, members: Request) -> Callable[[], Answer]:
    """The answer, or the error as something that raises it: "not there yet" may be held too."""
    try:
        answer = operation.handler(call, members)
    except (AwsError, ModelyardError) as error:
        caught = error

        def fail() -> Answer:
            raise caught

        return fail
    return lambda: answer


def _bound(names: tuple[str, ...], request: WireRequest, signature: Signature) -> tuple[str, Bound]:
    """The service and its operation.

    Raises:
        AwsError: no service that we know has such an operation.
    """
    for name in names:
        found = bind(name, request)
        if found is not None:
            return name, found
    target = request.headers.get("x-amz-target") or f"{request.method} {request.raw_path}"
    if not names:
        what = f"The service of {target} (signed for '{signature.service}') is not supported"
        raise AwsError("UnknownOperationException", f"{what}. Supported are {', '.join(SERVICES)}.", status=404)
    raise AwsError("UnknownOperationException", f"{names[0]} has no operation for {target[:200]}.", status=404)


def _not_supported(service: str, name: str) -> AwsError:
    return AwsError(
        "NotImplemented",
        f"Modelyard does not support {service}:{name}. docs/reference/aws-operations.md lists what it does.",
        status=501,
    )


async def _body(request: WireRequest, receive: Receive) -> bytes:
    """The whole body.

    Raises:
        AwsError: it is too large, or the client has gone.
    """
    parts, size, is_more = [], 0, True
    while is_more:
        message = await receive()
        if message["type"] != "http.request":
            raise AwsError("RequestTimeout", "The client left in the middle of its request.", status=400)
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > _MOST_BODY_BYTES:
            words = f"The body of {request.method} {request.raw_path} is over {_MOST_BODY_BYTES >> 20} MiB."
            raise AwsError("RequestEntityTooLargeException", words, status=413)
        is_more = message.get("more_body", False)
    return b"".join(parts)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
