"""`POST /v1/chat/completions` and `POST /v1/completions`, whole or as server-sent events.

A model that answers a text with a text has one input. If that is called "messages" it gets the conversation as JSON and
applies its own template; any other input gets the text of a single user message, since how a conversation is to be
written down is the model's own affair.
"""

import time
from collections.abc import Sequence
from typing import Any

import orjson

from modelyard.dataplane.errors import JsonInvalidError, ModelNotSuitableError
from modelyard.dataplane.gateway.dialect import AnswerContext, InferenceCall, Reply
from modelyard.dataplane.tensors import OutputRows, WireTensor, strings_of
from modelyard.protocols.openai.requests import check_parameters, texts_of
from modelyard.protocols.openai.texts import is_generator, not_suitable, text_tensors
from modelyard.types.signatures import Signature

_CONVERSATION = "messages"
_DONE = b"data: [DONE]\n\n"
_EVENT_HEADERS = b"cache-control: no-cache\r\n"


class CompletionCall(InferenceCall):
    """A request for text; `is_chat`: as a message."""

    __slots__ = ("_is_chat", "_is_stream")

    def __init__(self, inputs: tuple[WireTensor, ...], rows: int, *, is_chat: bool, is_stream: bool) -> None:
        self.inputs = inputs
        self.rows = rows
        self.timeout_seconds = None
        self._is_chat = is_chat
        self._is_stream = is_stream

    def reply(self, outputs: Sequence[OutputRows], inference_id: str, context: AnswerContext) -> Reply:
        """See InferenceCall. A stream carries each text in one event: workers answer whole texts."""
        texts = strings_of(outputs[0])
        head = {
            "id": f"{'chatcmpl' if self._is_chat else 'cmpl'}-{inference_id}",
            "object": self._object(),
            "created": int(time.time()),
            "model": context.endpoint,
        }
        if not self._is_stream:
            choices = [{"index": n, **self._choice(text), "finish_reason": "stop"} for n, text in enumerate(texts)]
            return Reply(b"application/json", orjson.dumps({**head, "choices": choices}))
        events = []
        for index, text in enumerate(texts):
            for choice in ({**self._choice(text), "finish_reason": None}, {**self._end(), "finish_reason": "stop"}):
                chunk = {**head, "choices": [{"index": index, **choice}]}
                events.append(b"data: %b\n\n" % orjson.dumps(chunk))
        return Reply(b"text/event-stream; charset=utf-8", b"".join((*events, _DONE)), _EVENT_HEADERS)

    def _object(self) -> str:
        if not self._is_chat:
            return "text_completion"
        return "chat.completion.chunk" if self._is_stream else "chat.completion"

    def _choice(self, text: str) -> dict[str, Any]:
        if not self._is_chat:
            return {"text": text, "logprobs": None}
        return {"delta" if self._is_stream else "message": {"role": "assistant", "content": text}}

    def _end(self) -> dict[str, Any]:
        return {"delta": {}} if self._is_chat else {"text": "", "logprobs": None}


def parse_chat(fields: dict[str, Any], signature: Signature) -> InferenceCall:
    """The call for a chat request.

    Raises:
        InvalidInputError: what is wrong, where, and what to send instead.
    """
    if not is_generator(signature):
        raise not_suitable("chat")
    check_parameters(fields, "messages", "stream", "response_format")
    if fields.get("response_format") not in (None, {"type": "text"}):
        raise ModelNotSuitableError("the model answers plain text only", hint="Leave it out.", field="response_format")
    messages = [_message(number, each) for number, each in enumerate(_list(fields.get("messages")))]
    inputs, rows = text_tensors(signature, [_prompt(messages, signature)])
    return CompletionCall(inputs, rows, is_chat=True, is_stream=_is_stream(fields))


def parse_completion(fields: dict[str, Any], signature: Signature) -> InferenceCall:
    """The call for a completion request; each prompt is a row and a choice.

    Raises:
        InvalidInputError: what is wrong, where, and what to send instead.
    """
    if not is_generator(signature) or signature.inputs[0].name == _CONVERSATION:
        raise not_suitable("complete text")
    check_parameters(fields, "prompt", "stream")
    inputs, rows = text_tensors(signature, texts_of(fields, "prompt"))
    return CompletionCall(inputs, rows, is_chat=False, is_stream=_is_stream(fields))


def _prompt(messages: Sequence[dict[str, str]], signature: Signature) -> str:
    if signature.inputs[0].name == _CONVERSATION:
        return orjson.dumps(messages).decode()
    if len(messages) == 1 and messages[0]["role"] == "user":
        return messages[0]["content"]
    raise ModelNotSuitableError(
        "the model takes one text and cannot follow a conversation",
        hint="Send one message of the role 'user'; a model with an input named 'messages' gets all of them.",
        field="messages",
    )


def _list(messages: Any) -> list[Any]:
    if not isinstance(messages, list) or not messages:
        raise JsonInvalidError(
            "'messages' must be a list with at least one message",
            hint='[{"role": "user", "content": "..."}]',
            field="messages",
        )
    return messages


def _message(number: int, message: Any) -> dict[str, str]:
    """Role and text; a content in parts is put together if all of them are text."""
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, list) and all(isinstance(part, dict) and part.get("type") == "text" for part in content):
        texts = [part.get("text") for part in content]
        content = "".join(text for text in texts if isinstance(text, str))
    if not isinstance(content, str) or not isinstance(message.get("role"), str):
        raise JsonInvalidError(
            f"message {number} must have a role and a text as its content",
            hint='{"role": "user", "content": "..."}; the model takes text only.',
            field=f"messages[{number}]",
        )
    return {"role": message["role"], "content": content}


def _is_stream(fields: dict[str, Any]) -> bool:
    stream = fields.get("stream")
    if stream is not None and not isinstance(stream, bool):
        raise JsonInvalidError("'stream' must be true or false", hint="Leave it out for one answer.", field="stream")
    return bool(stream)
