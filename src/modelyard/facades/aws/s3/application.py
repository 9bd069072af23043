"""S3 at the one port: verify, decide, sign anew for the store, and let both bodies flow through.

What makes and removes buckets is looked at here, for buckets belong to projects; every other operation is the store's.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol, cast
from urllib.parse import unquote

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from modelyard.control.buckets.errors import BucketTakenError
from modelyard.control.buckets.service import BucketService
from modelyard.errors import ModelyardError
from modelyard.facades.aws.s3.resigning import resigned
from modelyard.facades.aws.wire.answers import WireAnswer
from modelyard.facades.aws.wire.codec import bind, serialize
from modelyard.facades.aws.wire.errors import AwsError, s3_error
from modelyard.facades.aws.wire.identity import Installation, identify
from modelyard.facades.aws.wire.plain_errors import s3_answer
from modelyard.facades.aws.wire.requests import WireRequest
from modelyard.facades.aws.wire.signatures import Signature, SignatureKind, signature_of
from modelyard.facades.aws.wire.verification import UNSIGNED
from modelyard.kit.ids import new_id
from modelyard.storage.objects import S3Location
from modelyard.types.access import Action, Principal

_READING = ("GET", "HEAD", "OPTIONS")
_SIGNED_CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
_OK = range(200, 300)
_OWN_QUERY_PREFIXES = ("x-amz-", "awsaccesskeyid", "signature", "expires", "x-id")

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

    @property
    def has_our_keys(self) -> bool:
        """Whether it checks signatures by our access keys too."""

    def ready(self) -> S3Location:
        """See control.buckets.contracts."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a request is about. `is_bare`: it names no subresource such as ?versioning."""

    method: str
    bucket: str
    key: str
    is_bare: bool

    @classmethod
    def of(cls, request: WireRequest) -> "Target":
        """From path and query; buckets are in the path, never in the host."""
        bucket, _, key = request.raw_path.lstrip("/").partition("/")
        is_bare = all(name.lower().startswith(_OWN_QUERY_PREFIXES) for name in request.query)
        return cls(request.method, unquote(bucket), unquote(key), is_bare)

    @property
    def makes_bucket(self) -> bool:
        """Whether it is CreateBucket."""
        return self.method == "PUT" and bool(self.bucket) and not self.key and self.is_bare

    @property
    def removes_bucket(self) -> bool:
        """Whether it is DeleteBucket."""
        return self.method == "DELETE" and bool(self.bucket) and not self.key and self.is_bare


class S3Application:
    """See the module."""

    def __init__(self, installation: Installation, buckets: BucketService, store: Store) -> None:
        self._installation = installation
        self._buckets = buckets
        self._store = store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        request, request_id = WireRequest.of(scope), new_id("s3")
        target = Target.of(request)
        try:
            answer = await self._answer(scope, receive, send, request, target, request_id)
        except AwsError as error:
            answer = s3_answer(error, request_id)
        except ModelyardError as error:
            answer = s3_answer(s3_error(error), request_id)
        if answer is not None:
            body = b"" if request.method == "HEAD" else answer.body
            await Response(body, answer.status, dict(answer.headers))(scope, receive, send)

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send, request: WireRequest, target: Target, request_id: str
    ) -> WireAnswer | None:
        """An answer of ours, or None where the store has answered."""
        signature = signature_of(request)
        principal = await run_in_threadpool(self._admit, request, signature, target)
        if not target.bucket:
            return await run_in_threadpool(self._list_buckets, request, principal, request_id)
        location = await run_in_threadpool(self._store.ready)
        outgoing = scope if self._is_stores_to_check(request, signature) else self._signed(scope, request, location)
        seen = _Status(send)
        if target.makes_bucket:
            await run_in_threadpool(self._claim, target.bucket, principal)
        await self._store.relay(outgoing, cast("Any", receive), seen)
        is_gone = target.removes_bucket and seen.status in _OK
        if is_gone or (target.makes_bucket and seen.status not in _OK):
            await run_in_threadpool(self._buckets.release, target.bucket)
        if target.makes_bucket or target.removes_bucket:
            path = f"/aws/s3/{target.bucket}"
            await run_in_threadpool(self._installation.note, principal, target.method, path, seen.status)
        return None

    def _admit(self, request: WireRequest, signature: Signature, target: Target) -> Principal:
        """The caller, if he may do this.

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
        return principal

    def _check_bucket(self, bucket: str, project: str) -> None:
        owner = self._buckets.owner(bucket)
        if owner is None:
            raise AwsError("NoSuchBucket", f"There is no bucket '{bucket}'. Create it first.", status=404)
        if owner != project:
            raise AwsError("AccessDenied", f"The bucket '{bucket}' is not of the project '{project}'.", status=403)

    def _claim(self, bucket: str, principal: Principal) -> None:
        project = principal.project or ""
        try:
            self._buckets.claim(bucket, project)
        except BucketTakenError as error:
            is_own = self._buckets.owner(bucket) == project
            code = "BucketAlreadyOwnedByYou" if is_own else "BucketAlreadyExists"
            raise AwsError(code, f"{error.message}. {error.hint}", status=409) from None

    def _list_buckets(self, request: WireRequest, principal: Principal, request_id: str) -> WireAnswer:
        bound = bind("s3", request)
        if bound is None or bound.name != "ListBuckets":
            raise AwsError("MethodNotAllowed", "Without a bucket there is only ListBuckets.", status=405)
        project = principal.project or ""
        buckets = [{"Name": each.name, "CreationDate": each.created_at} for each in self._buckets.of(project)]
        answer = {"Buckets": buckets, "Owner": {"ID": project, "DisplayName": project}}
        return serialize(bound, answer, request_id)

    def _is_stores_to_check(self, request: WireRequest, signature: Signature) -> bool:
        """Whether the caller's own signature goes on to the store: each chunk of such a body is signed by the caller.

        Raises:
            AwsError: the store does not know the caller's key.
        """
        if not request.headers.get("x-amz-content-sha256", "").startswith(_SIGNED_CHUNKS):
            return False
        if not self._store.has_our_keys or signature.session_token:
            raise AwsError(
                "NotImplemented",
                "Bodies that are signed chunk by chunk are taken with permanent access keys and the platform's own "
                "store only. Let the client sign the whole payload, or use TLS.",
                status=501,
            )
        return True

    def _signed(self, scope: Scope, request: WireRequest, location: S3Location) -> Scope:
        host = self._store.host
        return resigned(scope, request, location, host or request.host, has_key_service=bool(host))


class _Status:
    """Passes an answer on and remembers its status."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)


def _payload(request: WireRequest) -> str:
    """What stands for the body in the signature; the store checks that the body is that."""
    return request.headers.get("x-amz-content-sha256", UNSIGNED)
