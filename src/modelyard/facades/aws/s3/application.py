"""S3 at the one port: verify, decide, sign anew for the store, and let both bodies flow through.

What makes and removes buckets is looked at here, for buckets belong to projects; every other operation is the store's.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Protocol
from urllib.parse import unquote

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from modelyard.control.buckets.errors import BucketTakenError
from modelyard.control.buckets.service import BucketService
from modelyard.errors import ModelyardError
from modelyard.facades.aws.s3 import chunks, policies
from modelyard.facades.aws.s3.bodies import begun, without_key_service
from modelyard.facades.aws.s3.chunks import SignedChunks
from modelyard.facades.aws.s3.forms import Form, read_form
from modelyard.facades.aws.s3.keys import PlainKeys, deletion_with_named_parts, with_named_parts
from modelyard.facades.aws.s3.listing import FIRST_REGION, listed, location_answer
from modelyard.facades.aws.s3.passing import StoreAnswer, check_done, not_done
from modelyard.facades.aws.s3.privacy import privacy_answer
from modelyard.facades.aws.s3.resigning import resigned, unframed
from modelyard.facades.aws.s3.targets import Target
from modelyard.facades.aws.wire.answers import WireAnswer
from modelyard.facades.aws.wire.codec import bind, serialize
from modelyard.facades.aws.wire.errors import AwsError, s3_error
from modelyard.facades.aws.wire.identity import Installation, identify
from modelyard.facades.aws.wire.plain_errors import s3_answer
from modelyard.facades.aws.wire.recognition import is_form
from modelyard.facades.aws.wire.requests import WireRequest
from modelyard.facades.aws.wire.signatures import Signature, SignatureKind, signature_of
from modelyard.facades.aws.wire.verification import UNSIGNED
from modelyard.kit.ids import new_id
from modelyard.storage.objects import S3Location
from modelyard.types.access import Action, Principal

_READING = ("GET", "HEAD", "OPTIONS")
_OK = range(200, 300)

Relay = Callable[[Any, Any, Any], Awaitable[None]]
"""Passes a request on to the store: see dataplane.gateway.http.proxy."""


class Store(Protocol):
    """The S3 store, as the facade uses it. Safe from any thread."""

    @property
    def relay(self) -> Relay:
        """Passes requests on to it."""

    @property
    def host(self) -> str:
        """That requests to the store must carry; empty: the client's own."""

    def ready(self) -> S3Location:
        """See control.buckets.contracts."""


class S3Application:
    """See the module."""

    def __init__(self, installation: Installation, buckets: BucketService, store: Store) -> None:
        self._installation = installation
        self._buckets = buckets
        self._store = store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        request, request_id = WireRequest.of(scope), new_id("s3")
        try:
            handle = self._take_form if is_form(scope) else self._answer
            answer = await handle(scope, receive, send, request, request_id)
        except AwsError as error:
            answer = s3_answer(error, request_id)
        except ModelyardError as error:
            answer = s3_answer(s3_error(error), request_id)
        if answer is not None:
            body = b"" if request.method == "HEAD" else answer.body
            await Response(body, answer.status, dict(answer.headers))(scope, receive, send)

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send, request: WireRequest, request_id: str
    ) -> WireAnswer | None:
        """An answer of ours, or None where the store has answered."""
        signature = signature_of(request)
        addressed = replace(request, raw_path=request.path_style)
        target = Target.of(addressed)
        principal, secret = await run_in_threadpool(self._admit, request, signature, target)
        known = await run_in_threadpool(self._known, request, target, principal, request_id)
        known = known or await self._spared(addressed, target, receive, request_id)
        if known is not None:
            return known
        location = await run_in_threadpool(self._store.ready)
        body: Receive = receive
        if request.headers.get("x-amz-content-sha256", "") in (chunks.PLAIN, chunks.WITH_TRAILER):
            body = _proven(request, receive, signature, secret)
            scope, addressed = unframed(scope, addressed)
        incoming = await begun(request, body)
        if incoming is None:
            return None
        if target.method == "PUT" and not target.key and "encryption" in request.query and not self._store.host:
            incoming = await without_key_service(incoming)
        if target.deletes_objects and not self._store.host:
            scope, addressed, incoming = await deletion_with_named_parts(scope, addressed, incoming)
        outgoing = self._signed(scope, addressed, location)
        told = send if self._store.host else PlainKeys(send, is_object=target.is_object)
        seen = StoreAnswer(told, is_named=True)
        if target.makes_bucket and not await run_in_threadpool(self._claim, target.bucket, principal, signature.region):
            return WireAnswer(200, {"Location": f"/{target.bucket}", "x-amz-request-id": request_id}, b"")
        await self._store.relay(outgoing, incoming, seen)
        is_gone = target.removes_bucket and seen.status in _OK
        if is_gone or (target.makes_bucket and seen.status not in _OK):
            await run_in_threadpool(self._buckets.release, target.bucket)
        if target.makes_bucket or target.removes_bucket:
            path = f"/aws/s3/{target.bucket}"
            await run_in_threadpool(self._installation.note, principal, target.method, path, seen.status)
        if seen.is_kept_back:
            raise not_done(_name_of(addressed))
        return None

    async def _spared(
        self, addressed: WireRequest, target: Target, receive: Receive, request_id: str
    ) -> WireAnswer | None:
        """What the platform's own store is not asked: an answer of ours, or None.

        Raises:
            AwsError: that store would do something else than it is asked for.
        """
        if self._store.host:
            return None
        known = await privacy_answer(addressed, receive, request_id)
        if known is None:
            check_done(_name_of(addressed), target.method, target.key)
        return known

    async def _take_form(
        self, scope: Scope, receive: Receive, send: Send, request: WireRequest, request_id: str
    ) -> WireAnswer | None:
        """Store the file of a browser's form; None where the store has refused it."""
        del request_id
        bucket = Target.of(replace(request, raw_path=request.path_style)).bucket
        form = await read_form(request, receive, lambda fields: self._admit_form(fields, bucket))
        try:
            location = await run_in_threadpool(self._store.ready)
            put = form.scope(scope, bucket)
            outgoing = self._signed(put, WireRequest.of(put), location)
            seen = _Stored(send)
            await self._store.relay(outgoing, _body_of(form, receive), seen)
        finally:
            form.file.close()
        return form.answer(request, bucket, seen.etag) if seen.is_stored else None

    def _admit_form(self, fields: dict[str, str], bucket: str) -> tuple[int, int]:
        """Between how many bytes the file may have.

        Raises:
            AwsError, ModelyardError: the policy does not allow this form, or its author may not write here.
        """
        installation, claimed = self._installation, policies.key_of(fields)
        key = installation.access_keys.find(claimed.access_key, claimed.session_token)
        policies.check_signature(fields, key.secret)
        principal = Principal(id=key.id, name=key.name, role=key.role, project=key.project, expires_at=key.expires_at)
        installation.guard.check(principal, Action.WRITE, key.project)
        self._check_bucket(bucket, key.project)
        return policies.allowed_sizes(fields, bucket, installation.clock.now())

    def _admit(self, request: WireRequest, signature: Signature, target: Target) -> tuple[Principal, str]:
        """The caller, if he may do this, and his key's secret.

        Raises:
            AwsError: a signature that does not hold, or somebody else's bucket.
            ModelyardError: an unknown key, or a role that is too small.
        """
        installation = self._installation
        payload = None if signature.kind is SignatureKind.V4_QUERY else _payload(request)
        principal = identify(signature, request, installation.access_keys, installation.clock, payload)
        project = principal.project or ""
        action = Action.READ if target.method in _READING else Action.WRITE
        installation.guard.check(principal, action, project)
        if target.bucket and not target.makes_bucket:
            self._check_bucket(target.bucket, project)
        if source := request.headers.get("x-amz-copy-source"):
            self._check_bucket(unquote(source).lstrip("/").partition("/")[0], project)
        return principal, installation.access_keys.find(signature.access_key, signature.session_token).secret

    def _check_bucket(self, bucket: str, project: str) -> None:
        owner = self._buckets.owner(bucket)
        if owner is None:
            raise AwsError("NoSuchBucket", "The specified bucket does not exist", status=404)
        if owner != project:
            raise AwsError("AccessDenied", f"The bucket '{bucket}' is not of the project '{project}'.", status=403)

    def _claim(self, bucket: str, principal: Principal, region: str) -> bool:
        """Whether the bucket is still to be made; not if it is the caller's, and of the region that takes that well.

        Raises:
            AwsError: it is somebody else's, or the caller's in another region.
        """
        project = principal.project or ""
        try:
            self._buckets.claim(bucket, project, region)
        except BucketTakenError as error:
            if self._buckets.owner(bucket) != project:
                raise AwsError("BucketAlreadyExists", f"{error.message}. {error.hint}", status=409) from None
            if region == self._buckets.region(bucket) == FIRST_REGION:
                return False
            told = "Your previous request to create the named bucket succeeded and you already own it."
            raise AwsError("BucketAlreadyOwnedByYou", told, status=409) from None
        return True

    def _known(self, request: WireRequest, target: Target, principal: Principal, request_id: str) -> WireAnswer | None:
        """The answer to what is known without the store."""
        if not target.bucket:
            return self._list_buckets(request, principal, request_id)
        if target.method == "GET" and not target.key and "location" in request.query:
            return location_answer(self._buckets.region(target.bucket), request_id)
        return None

    def _list_buckets(self, request: WireRequest, principal: Principal, request_id: str) -> WireAnswer:
        bound = bind("s3", request)
        if bound is None or bound.name != "ListBuckets":
            raise AwsError("MethodNotAllowed", "Without a bucket there is only ListBuckets.", status=405)
        project = principal.project or ""
        answer = listed(self._buckets.of(project), request.query)
        return serialize(bound, {**answer, "Owner": {"ID": project, "DisplayName": project}}, request_id)

    def _signed(self, scope: Scope, request: WireRequest, location: S3Location) -> Scope:
        host = self._store.host
        if not host:
            scope, request = with_named_parts(scope, request)
        return resigned(scope, request, location, host or request.host, has_key_service=bool(host))


class _Stored:
    """Keeps back that a form's file was stored, for the form says how that is told; passes on why it was not."""

    def __init__(self, send: Send) -> None:
        self._answer = StoreAnswer(send, is_named=False)
        self.is_stored = False
        self.etag = ""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.is_stored = message["status"] in _OK
            self.etag = dict(message["headers"]).get(b"etag", b"").decode("latin-1")
        if not self.is_stored:
            await self._answer(message)


def _body_of(form: Form, receive: Receive) -> Any:
    """The file of a form, and then the news that the client has gone."""
    is_read = False

    async def body() -> Any:
        nonlocal is_read
        if is_read:
            return await receive()
        message = await form.receive()
        is_read = not message["more_body"]
        return message

    return body


def _name_of(request: WireRequest) -> str:
    bound = bind("s3", request)
    return bound.name if bound else f"{request.method} {request.raw_path}"


def _proven(request: WireRequest, receive: Receive, signature: Signature, secret: str) -> SignedChunks:
    length = request.headers.get("x-amz-decoded-content-length", "")
    if not (length.isascii() and length.isdigit()):
        raise AwsError("MissingContentLength", "A body in chunks needs x-amz-decoded-content-length.", status=411)
    has_trailer = request.headers["x-amz-content-sha256"] == chunks.WITH_TRAILER
    return SignedChunks(receive, signature, secret, int(length), has_trailer=has_trailer)


def _payload(request: WireRequest) -> str:
    """What stands for the body in the signature; the store checks that the body is that."""
    return request.headers.get("x-amz-content-sha256", UNSIGNED)
