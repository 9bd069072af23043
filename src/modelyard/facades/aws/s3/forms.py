"""Forms that a browser posts to a bucket: one file, with the fields that a signed policy allows."""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import quote, urlencode
from xml.sax.saxutils import escape

from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

from modelyard.facades.aws.s3.policies import MOST_BYTES
from modelyard.facades.aws.wire.answers import WireAnswer
from modelyard.facades.aws.wire.errors import AwsError
from modelyard.facades.aws.wire.requests import WireRequest

_MOST_FIELD_BYTES = 64 << 10
_PIECE_BYTES = 256 << 10
_IN_MEMORY_BYTES = 1 << 20
_HEADERS = ("content-type", "content-disposition", "content-encoding", "content-language", "cache-control", "expires")
_FILENAME = "${filename}"
_STATUSES = {"200": 200, "201": 201}
_NO_CONTENT = 204
_SEE_OTHER = 303

Admit = Callable[[dict[str, str]], tuple[int, int]]
"""Says by a form's fields between how many bytes its file may have; raises what forbids it."""


@dataclass(frozen=True, slots=True)
class Form:
    """A form that was taken: its fields, names in lower case, and its file, which the holder closes."""

    fields: dict[str, str]
    file: IO[bytes]
    size: int

    @property
    def key(self) -> str:
        """Of the object that it makes."""
        return self.fields["key"]

    def scope(self, scope: Scope, bucket: str) -> Scope:
        """The PutObject that it stands for."""
        kept = {
            name: value for name, value in self.fields.items() if name in _HEADERS or name.startswith("x-amz-meta-")
        }
        if acl := self.fields.get("acl"):
            kept["x-amz-acl"] = acl
        if storage := self.fields.get("x-amz-storage-class"):
            kept["x-amz-storage-class"] = storage
        headers = [(name.encode("latin-1"), value.encode()) for name, value in kept.items()]
        headers += [(b"content-length", b"%d" % self.size), (b"host", _host(scope))]
        path = f"/{bucket}/{quote(self.key, safe='/~')}"
        return {
            **scope,
            "method": "PUT",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": headers,
        }

    async def receive(self) -> Any:
        """Its file, as an ASGI body."""
        piece = await run_in_threadpool(self.file.read, _PIECE_BYTES)
        return {"type": "http.request", "body": piece, "more_body": len(piece) == _PIECE_BYTES}

    def answer(self, request: WireRequest, bucket: str, etag: str) -> WireAnswer:
        """What the browser is told, as the form wishes."""
        location = f"{request.base_url}/{bucket}/{quote(self.key, safe='/~')}"
        headers = {"Location": location, "ETag": etag}
        redirect = self.fields.get("success_action_redirect") or self.fields.get("redirect")
        if redirect:
            mark = "&" if "?" in redirect else "?"
            told = urlencode({"bucket": bucket, "key": self.key, "etag": etag})
            return WireAnswer(_SEE_OTHER, {**headers, "Location": f"{redirect}{mark}{told}"}, b"")
        status = _STATUSES.get(self.fields.get("success_action_status", ""), _NO_CONTENT)
        if status != _STATUSES["201"]:
            return WireAnswer(status, headers, b"")
        members = {"Location": location, "Bucket": bucket, "Key": self.key, "ETag": etag}
        told = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in members.items())
        body = f'<?xml version="1.0" encoding="UTF-8"?>\n<PostResponse>{told}</PostResponse>'
        return WireAnswer(status, {**headers, "Content-Type": "application/xml"}, body.encode())


async def read_form(request: WireRequest, receive: Receive, admit: Admit) -> Form:
    """Take a form: its fields, which come first, are admitted before a byte of the file is kept.

    Raises:
        AwsError: it is none, its file is too small or too large, or `admit` forbids it.
    """
    boundary = parse_options_header(request.headers.get("content-type", ""))[1].get("boundary", "")
    if not boundary:
        raise _malformed("its Content-Type names no boundary")
    reader = _Reader(boundary.encode("latin-1", "replace"), admit)
    is_more = True
    try:
        while is_more:
            message = await receive()
            is_more = message.get("more_body", False)  # a client that leaves ends the body too early
            await run_in_threadpool(reader.take, message.get("body", b""), is_last=not is_more)
        return reader.finish()
    except BaseException:
        reader.close()
        raise


class _Reader:
    """A form as far as it has come."""

    def __init__(self, boundary: bytes, admit: Admit) -> None:
        self._decoder = MultipartDecoder(boundary)
        self._admit = admit
        self._fields: dict[str, str] = {}
        self._field = ""
        self._text = bytearray()
        self._field_bytes = 0
        self._file: IO[bytes] | None = None
        self._is_whole = False
        self._least, self._most, self._size = 0, MOST_BYTES, 0

    def take(self, content: bytes, *, is_last: bool) -> None:
        """The next part of the body."""
        try:
            self._decoder.receive_data(content)
            for event in self._events():
                self._note(event)
            if is_last and not self._is_whole:
                raise _malformed("it ends before its last part")
        except ValueError as error:
            raise _malformed(str(error)) from None

    def finish(self) -> Form:
        """The whole form."""
        if self._file is None:
            raise AwsError("InvalidArgument", "POST requires exactly one file upload per request.")
        if self._size < self._least:
            raise AwsError("EntityTooSmall", f"The file has {self._size} bytes; the policy wants {self._least}.")
        self._file.seek(0)
        return Form(self._fields, self._file, self._size)

    def close(self) -> None:
        """Forget it."""
        if self._file is not None:
            self._file.close()

    def _events(self) -> Iterator[object]:
        while not isinstance(event := self._decoder.next_event(), NeedData | Epilogue):
            yield event

    def _note(self, event: object) -> None:
        if self._is_whole:
            return  # what comes after the file counts for nothing
        if isinstance(event, File) or (isinstance(event, Field) and event.name == "file"):
            self._begin_file(event.filename if isinstance(event, File) else "")
        elif isinstance(event, Field):
            self._field, self._text = event.name.lower(), bytearray()
        elif isinstance(event, Data) and self._file is not None:
            self._add_to_file(event)
        elif isinstance(event, Data):
            self._add_to_field(event)

    def _begin_file(self, filename: str) -> None:
        if not self._fields.get("key"):
            raise AwsError("InvalidArgument", "Bucket POST must contain a field named 'key', before the file.")
        self._least, self._most = self._admit(self._fields)
        self._fields["key"] = self._fields["key"].replace(_FILENAME, filename.replace("\\", "/").rpartition("/")[2])
        self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES)  # noqa: SIM115 - the form's holder closes it

    def _add_to_file(self, event: Data) -> None:
        assert self._file is not None  # noqa: S101 - begun
        self._size += len(event.data)
        if self._size > self._most:
            raise AwsError(
                "EntityTooLarge", f"Your proposed upload exceeds the maximum allowed size, {self._most} bytes."
            )
        self._file.write(event.data)
        self._is_whole = not event.more_data

    def _add_to_field(self, event: Data) -> None:
        self._text += event.data
        self._field_bytes += len(event.data)
        if self._field_bytes > _MOST_FIELD_BYTES:
            raise AwsError("MaxPostPreDataLengthExceeded", "The fields before the file are too large.")
        if not event.more_data:
            self._fields[self._field] = self._text.decode("utf-8", "replace")


def _host(scope: Scope) -> bytes:
    return next((value for name, value in scope["headers"] if name == b"host"), b"localhost")


def _malformed(words: str) -> AwsError:
    return AwsError("MalformedPOSTRequest", f"The body of the request is no well-formed form: {words}.")
