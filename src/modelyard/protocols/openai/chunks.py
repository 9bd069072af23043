"""Completions in parts: `stream=true`, each part of the text an event, `[DONE]` at last."""

import time
from collections.abc import Sequence
from typing import Any

import orjson

from modelyard.dataplane.gateway.dialect import AnswerContext, StreamCall, StreamWriter
from modelyard.dataplane.tensors import OutputRows, WireTensor, strings_of
from modelyard.protocols.events import error_event, event
from modelyard.runtimes.base import Ending

_DONE = event(b"[DONE]")


class CompletionStream(StreamCall):
    """A request for text in parts; `is_chat`: of a message. With `is_usage_wanted` the tokens are told at the end."""

    __slots__ = ("_is_chat", "_is_usage_wanted")

    def __init__(
        self, inputs: tuple[WireTensor, ...], rows: int, *, is_chat: bool, is_usage_wanted: bool = False
    ) -> None:
        self.inputs = inputs
        self.rows = rows
        self.timeout_seconds = None
        self._is_chat = is_chat
        self._is_usage_wanted = is_usage_wanted

    def writer(self, inference_id: str, context: AnswerContext) -> StreamWriter:
        """See StreamCall."""
        head = {
            "id": f"{'chatcmpl' if self._is_chat else 'cmpl'}-{inference_id}",
            "object": "chat.completion.chunk" if self._is_chat else "text_completion",
            "created": int(time.time()),
            "model": context.endpoint,
        }
        return _ChunkWriter(head, self.rows, is_chat=self._is_chat, is_usage_wanted=self._is_usage_wanted)


class _ChunkWriter(StreamWriter):
    """Writes chunks; each is of one choice."""

    def __init__(self, head: dict[str, Any], rows: int, *, is_chat: bool, is_usage_wanted: bool) -> None:
        self._head = {**head, "usage": None} if is_usage_wanted else head
        self._rows = rows
        self._is_chat = is_chat
        self._is_usage_wanted = is_usage_wanted
        self._begun: set[int] = set()

    def part(self, outputs: Sequence[OutputRows]) -> bytes:
        """See StreamWriter: what is new of each choice."""
        texts = enumerate(strings_of(outputs[0]))
        return b"".join(self._chunk(index, self._text(index, text), None) for index, text in texts if text)

    def end(self, ending: Ending) -> bytes:
        """See StreamWriter."""
        nothing: dict[str, Any] = {"delta": {}} if self._is_chat else {"text": "", "logprobs": None}
        ends = [self._chunk(index, nothing, ending.finish_reason) for index in range(self._rows)]
        if self._is_usage_wanted:
            usage = {
                "prompt_tokens": ending.prompt_tokens,
                "completion_tokens": ending.completion_tokens,
                "total_tokens": ending.prompt_tokens + ending.completion_tokens,
            }
            ends.append(event(orjson.dumps({**self._head, "choices": [], "usage": usage})))
        return b"".join((*ends, _DONE))

    def failure(self, error_body: bytes) -> bytes:
        """See StreamWriter."""
        return error_event(error_body)

    def _text(self, index: int, text: str) -> dict[str, Any]:
        if not self._is_chat:
            return {"text": text, "logprobs": None}
        if index in self._begun:
            return {"delta": {"content": text}}
        self._begun.add(index)
        return {"delta": {"role": "assistant", "content": text}}

    def _chunk(self, index: int, choice: dict[str, Any], finish_reason: str | None) -> bytes:
        choices = [{"index": index, **choice, "finish_reason": finish_reason}]
        return event(orjson.dumps({**self._head, "choices": choices}))
