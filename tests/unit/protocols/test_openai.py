"""Junk to the OpenAI API is a worded refusal and nothing else."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from modelyard.dataplane.gateway.dialect import Operation, Target
from modelyard.dataplane.gateway.http.responses import error_body
from modelyard.errors import InvalidInputError
from modelyard.protocols.openai.dialect import openai_dialects
from modelyard.types.signatures import DataType, Signature, TensorSpec

CHAT, COMPLETIONS, EMBEDDINGS = openai_dialects()
TEXT = TensorSpec(name="text", datatype=DataType.BYTES, shape=(-1,))
MESSAGES = TensorSpec(name="messages", datatype=DataType.BYTES, shape=(-1, 1))
VECTOR = TensorSpec(name="v", datatype=DataType.FP32, shape=(-1, 2))
SIGNATURES = [
    Signature(inputs=(TEXT,), outputs=(TEXT,)),
    Signature(inputs=(MESSAGES,), outputs=(MESSAGES,)),
    Signature(inputs=(TEXT,), outputs=(VECTOR,)),
    Signature(inputs=(VECTOR,), outputs=(VECTOR,)),
]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "content", "type", "text"]), inner, max_size=3)
    ),
    max_leaves=10,
)
names = ("model", "messages", "prompt", "input", "stream", "n", "dimensions", "encoding_format", "response_format", "x")
documents = st.fixed_dictionaries({}, optional=dict.fromkeys(names, json_values))


@given(
    st.binary(max_size=200) | documents.map(lambda value: json.dumps(value).encode("utf-8", "surrogatepass")),
    st.sampled_from([CHAT, COMPLETIONS, EMBEDDINGS]),
    st.sampled_from(SIGNATURES),
)
@example(b'{"messages":' + b"[" * 5000, CHAT, SIGNATURES[0])
@example(b'{"model": "m", "messages": [{"role": "user", "content": "\\ud800"}]}', CHAT, SIGNATURES[0])
@example(b'{"model": "m", "\\ud800": 1}', EMBEDDINGS, SIGNATURES[2])
def test_no_body_whatever_gets_past_or_breaks_the_parser(body: bytes, dialect: Any, signature: Signature):
    try:
        assert dialect.locate(body).endpoint
        call = dialect.parse(body, {}, signature)
    except InvalidInputError as error:
        written = json.loads(error_body(error, dialect.error_fields(error)))
        shape = {name: type(value) for name, value in written["error"].items() if name != "param"}
    else:
        assert all(tensor.to_array().shape[0] == call.rows for tensor in call.inputs)
        return
    assert shape == {"message": str, "type": str, "code": str}


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/v1/chat/completions", Target(Operation.INFER_NAMED)),
        ("/v1/models", Target(Operation.ENDPOINTS)),
        ("/v1/models/", None),
        ("/v1/embeddings", None),
    ],
)
def test_paths(path: str, target: Target | None):
    assert CHAT.target(path) == target
