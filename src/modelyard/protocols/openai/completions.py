"""`POST /v1/chat/completions` and `POST /v1/completions`.

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
from modelyard.protocols.openai.chunks import CompletionStream
from modelyard.protocols.openai.requests import check_parameters, texts_of
from modelyard.protocols.openai.texts import is_generator, not_suitable, text_tensors
from modelyard.types.signatures import Signature

_CONVERSATION = "messages"


class CompletionCall(InferenceCall):
    """A request for text; `is_chat`: as a message."""

    __slots__ = ("_is_chat",)

    def __init__(self, inputs: tuple[WireTensor, ...], rows: int, *, is_chat: bool) -> None:
        self.inputs = inputs
        self.rows = rows
        self.timeout_seconds = None
        self._is_chat = is_chat

    def reply(self, outputs: Sequence[OutputRows], inference_id: str, context: AnswerContext) -> Reply:
        """See InferenceCall."""
        texts = strings_of(outputs[0])
        choices = [{"index": n, **self._choice(text), "finish_reason": "stop"} for n, text in enumerate(texts)]
        answer = {
            "id": f"{'chatcmpl' if self._is_chat else 'cmpl'}-{inference_id}",
            "object": "chat.completion" if self._is_chat else "text_completion",
            "created": int(time.time()),
            "model": context.endpoint,
            "choices": choices,
        }
        return Reply(b"application/json", orjson.dumps(answer))

    def _choice(self, text: str) -> dict[str, Any]:
        if self._is_chat:
            return {"message": {"role": "assistant", "content": text}}
        return {"text": text, "logprobs": None}


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
    return _call(fields, inputs, rows, is_chat=True)


def parse_completion(fields: dict[str, Any], signature: Signature) -> InferenceCall:
    """The call for a completion request; each prompt is a row and a choice.

    Raises:
        InvalidInputError: what is wrong, where, and what to send instead.
    """
    if not is_generator(signature) or signature.inputs[0].name == _CONVERSATION:
        raise not_suitable("complete text")
    check_parameters(fields, "prompt", "stream")
    inputs, rows = text_tensors(signature, texts_of(fields, "prompt"))
    return _call(fields, inputs, rows, is_chat=False)


def _call(fields: dict[str, Any], inputs: tuple[WireTensor, ...], rows: int, *, is_chat: bool) -> InferenceCall:
    if not _flag(fields, "stream"):
        return CompletionCall(inputs, rows, is_chat=is_chat)
    options = fields.get("stream_options") or {}
    if not isinstance(options, dict):
        raise JsonInvalidError(
            "'stream_options' must be an object",
            hint='{"include_usage": true}',
            field="stream_options",
        )
    return CompletionStream(inputs, rows, is_chat=is_chat, is_usage_wanted=_flag(options, "include_usage"))


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


def _flag(fields: dict[str, Any], name: str) -> bool:
    value = fields.get(name)
    if value is not None and not isinstance(value, bool):
        raise JsonInvalidError(f"'{name}' must be true or false", hint="Leave it out for no.", field=name)
    return bool(value)
