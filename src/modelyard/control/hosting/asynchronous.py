"""Requests whose input and answer are objects: written down at once, answered when a replica is free."""

import json
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from modelyard.control.documents.service import DocumentService
from modelyard.control.hosting.calling import EndpointCaller
from modelyard.control.hosting.records import of_content, to_content
from modelyard.control.hosting.sources import Objects
from modelyard.errors import ModelyardError, TemporaryError
from modelyard.kit.clock import Clock
from modelyard.types.foreign.documents import Document

INVOCATION = "hosting-invocation"
_AT_A_TIME = 8
_BUSY = (429, 503, 504)
_OK = range(200, 300)
_CONTENT_TYPE = "content-type"
_ANY_TYPES = ("", "binary/octet-stream", "application/octet-stream")
"""Of objects that were stored without saying what they are."""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class AsyncRequest:
    """One request.

    Attributes:
        project: of the endpoint and the objects.
        key_id: the access key of whoever asked; the endpoint is called with it.
        endpoint: the name that its clients know.
        headers: of the call: Content-Type, Accept and SageMaker's own.
        input_uri, output_uri, failure_uri: where the body is, and where the answer or the error goes.
        expires_at: until then it is tried.
    """

    project: str
    key_id: str
    endpoint: str
    headers: dict[str, str] = field(default_factory=dict)
    input_uri: str
    output_uri: str
    failure_uri: str
    expires_at: datetime


class AsyncInference:
    """Keeps requests until they are answered. A request whose process was killed is sent again.

    Attributes:
        awake: set when there is something to do.
    """

    def __init__(self, documents: DocumentService, objects: Objects, caller: EndpointCaller, clock: Clock) -> None:
        self._documents = documents
        self._objects = objects
        self._caller = caller
        self._clock = clock
        self._pool = ThreadPoolExecutor(_AT_A_TIME, thread_name_prefix="async-inference")
        self._running: dict[str, Future[None]] = {}
        self.awake = threading.Event()

    def submit(self, id: str, request: AsyncRequest) -> None:
        """Write a request down."""
        self._documents.create(INVOCATION, "", id, to_content(request))
        self.awake.set()

    def run_once(self) -> None:
        """Begin with what has not begun, or is to be tried again."""
        self._running = {name: each for name, each in self._running.items() if not each.done()}
        for document in list(self._documents.every(INVOCATION, "")):
            if document.name not in self._running:
                self._running[document.name] = self._pool.submit(self._carry, document)

    def _carry(self, document: Document) -> None:
        request = of_content(document.content, AsyncRequest)
        try:
            is_done = self._answer(request)
        except TemporaryError as error:
            _log.warning("async_inference_waits", endpoint=request.endpoint, reason=error.message)
            return
        except ModelyardError as error:
            is_done = self._fail(request, error.message)
        except Exception:
            _log.exception("async_inference_broke", endpoint=request.endpoint)
            raise
        if is_done:
            self._documents.discard(INVOCATION, "", document.name)

    def _answer(self, request: AsyncRequest) -> bool:
        """Whether it was answered; False: to be tried again."""
        if self._clock.now() >= request.expires_at:
            return self._fail(request, "The request was not answered in its time.")
        body = self._objects.read(request.project, request.input_uri)
        status, answer, _ = self._caller.call(request.key_id, request.endpoint, self._headers(request), body)
        if status in _BUSY:
            return False
        if status in _OK:
            self._objects.write(request.project, request.output_uri, answer)
            return True
        return self._fail(request, *_refused(answer, status))

    def _headers(self, request: AsyncRequest) -> dict[str, str]:
        """Those of the call; the content type may be that of the object instead, as SageMaker's SDK has it."""
        if _CONTENT_TYPE in request.headers:
            return request.headers
        stored = self._objects.media_type(request.project, request.input_uri)
        return request.headers if stored in _ANY_TYPES else {**request.headers, _CONTENT_TYPE: stored}

    def _fail(self, request: AsyncRequest, message: str, status: int = 500) -> bool:
        told = {"Message": message, "OriginalStatusCode": status, "InputLocation": request.input_uri}
        try:
            self._objects.write(request.project, request.failure_uri, json.dumps(told).encode())
        except TemporaryError:
            return False
        except ModelyardError as error:
            _log.warning("async_failure_not_stored", uri=request.failure_uri, reason=error.message)
        return True


def _refused(answer: bytes, status: int) -> tuple[str, int]:
    """What the container said, and its status, where the answer tells; else the answer as it is."""
    try:
        told = json.loads(answer)
    except ValueError:
        return answer[:1024].decode(errors="replace"), status
    if not isinstance(told, dict):
        return str(told), status
    message = str(told.get("OriginalMessage") or told.get("Message") or told)
    original = told.get("OriginalStatusCode")
    return message, original if isinstance(original, int) else status
