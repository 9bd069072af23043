"""Keys with empty parts, on their way to the store and back."""

import asyncio
import time
from typing import Any

import pytest
from starlette.types import Message

from modelyard.control.buckets.errors import KeyReservedError
from modelyard.control.buckets.keys import EMPTY, named, plain
from modelyard.facades.aws.s3.keys import PlainKeys, deletion_with_named_parts, with_named_parts
from modelyard.facades.aws.wire.errors import AwsError
from modelyard.facades.aws.wire.requests import WireRequest


def _scope(path: str, *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"delete",
        "headers": list(headers),
    }


def _deletion(content: bytes, *headers: tuple[bytes, bytes]) -> bytes:
    scope = _scope("/own", *headers)

    async def body() -> Message:
        return {"type": "http.request", "body": content, "more_body": False}

    async def named_body() -> bytes:
        _, _, receive = await deletion_with_named_parts(scope, WireRequest.of(scope), body)
        return bytes((await receive())["body"])

    return asyncio.run(named_body())


@pytest.mark.parametrize("key", ["a//b", "//", "a/b", f"x{EMPTY}y//z", "a//"])
def test_a_key_comes_back_from_the_store_as_it_was(key: str) -> None:
    assert plain(named(key)) == key
    assert "//" not in named(key)


@pytest.mark.parametrize("key", [f"a/{EMPTY}/b", EMPTY, f"a/{EMPTY}"])
def test_a_key_that_stands_for_another_is_refused(key: str) -> None:
    with pytest.raises(KeyReservedError):
        named(key)


@pytest.mark.parametrize("path", ["/own/a//b", "/own/a%2F%2Fb", "/own%2Fa%2F%2Fb"])
def test_a_path_is_named_whether_its_slashes_are_encoded_or_not(path: str) -> None:
    scope = _scope(path, (b"x-amz-copy-source", path.encode() + b"?versionId=7"))
    _, request = with_named_parts(scope, WireRequest.of(scope))
    assert request.raw_path == f"/own/a/{EMPTY}/b"
    assert request.headers["x-amz-copy-source"] == f"/own/a/{EMPTY}/b?versionId=7"


def test_a_path_without_empty_parts_keeps_its_bytes() -> None:
    scope = _scope("/own/a%2Fb%C3%BC+%21")
    assert with_named_parts(scope, WireRequest.of(scope))[1].raw_path == "/own/a%2Fb%C3%BC+%21"


def test_keys_to_delete_are_named_in_any_encoding() -> None:
    assert _deletion(b"<Key>/\xff</Key>") == f"<Key>{EMPTY}/".encode() + b"\xff</Key>"


def test_keys_to_delete_that_never_end_take_no_time() -> None:
    content = b"<Key>" + b"/" * 1_000_000
    start = time.process_time()
    assert _deletion(content) == content
    assert time.process_time() - start < 1


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b"<Key>a//b</Key>", [(b"x-amz-content-sha256", b"STREAMING-UNSIGNED-PAYLOAD-TRAILER")]),
        (b"<Key>a//b</Key>", [(b"x-amz-content-sha256", b"0" * 64)]),
    ],
)
def test_keys_to_delete_that_cannot_be_named_are_refused(content: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(AwsError):
        _deletion(content, *headers)


def test_answers_tell_whole_parts_alone_as_empty() -> None:
    told: list[bytes] = []

    async def send(message: Message) -> None:
        told.append(message.get("body", b""))

    async def answer() -> None:
        plain_keys = PlainKeys(send, is_object=False)
        headers = [(b"content-type", b"application/xml")]
        await plain_keys({"type": "http.response.start", "status": 200, "headers": headers})
        body = f"<Key>a/{EMPTY}/b</Key><Key>{EMPTY}%2Fx</Key><Key>x{EMPTY}y</Key>".encode()
        await plain_keys({"type": "http.response.body", "body": body})

    asyncio.run(answer())
    assert told[-1] == f"<Key>a//b</Key><Key>%2Fx</Key><Key>x{EMPTY}y</Key>".encode()
