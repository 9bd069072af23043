"""OpenAI's client, unmodified, against models that take text."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import openai
import pytest

from modelyard.testing.serving import TOKEN, Serving, endpoint, variant
from modelyard.testing.streaming_model import Script, start_streaming

WORKER = Path(__file__).with_name("text_worker.py")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator["openai.OpenAI"]:
    folder = tmp_path_factory.mktemp("openai")
    with Serving(folder) as serving:
        kinds = ("embed", "shout", "talk", "number")
        workers = {kind: serving.start_worker(kind, command=[str(WORKER), "--kind", kind]) for kind in kinds}
        workers["write"] = start_streaming(serving, "write")
        serving.start_gateway()
        serving.publish(*(endpoint(kind, variant(worker)) for kind, worker in workers.items()))
        with openai.OpenAI(base_url=f"{serving.url}/v1", api_key=TOKEN, max_retries=0) as client:
            yield client


def test_the_endpoints_that_take_text_are_the_models(client):
    assert [model.id for model in client.models.list()] == ["embed", "shout", "talk", "write"]
    assert client.models.retrieve("embed").id == "embed"


@pytest.mark.parametrize("encoding_format", ["float", "base64"])
def test_embeddings(client, encoding_format: str):
    made = client.embeddings.create(model="embed", input=["a", "größer"], encoding_format=encoding_format)
    vectors = [each.embedding for each in made.data]
    if encoding_format == "base64":
        vectors = [np.frombuffer(base64.b64decode(each), np.float32).tolist() for each in vectors]
    assert vectors == [[1, 1], [6, 8]]
    assert [each.index for each in made.data] == [0, 1]
    assert client.embeddings.create(model="embed", input="abc").data[0].embedding == [3, 3]


def test_chat_with_a_model_of_one_text(client):
    made = client.chat.completions.create(
        model="shout", messages=[{"role": "user", "content": [{"type": "text", "text": "hello"}]}], user="me"
    )
    assert (made.choices[0].message.content, made.choices[0].message.role) == ("HELLO", "assistant")
    assert made.choices[0].finish_reason == "stop"
    assert (made.model, made.id.startswith("chatcmpl-inf-")) == ("shout", True)


def test_a_model_with_an_input_for_messages_gets_the_conversation(client):
    messages = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "größer?"}]
    made = client.chat.completions.create(model="talk", messages=messages)
    assert json.loads(made.choices[0].message.content) == messages


def test_completions_answer_every_prompt(client):
    made = client.completions.create(model="shout", prompt=["a", "b"])
    assert [(choice.index, choice.text) for choice in made.choices] == [(0, "A"), (1, "B")]


def test_streams_are_server_sent_events(client):
    messages = [{"role": "user", "content": "hello"}]
    chunks = list(client.chat.completions.create(model="shout", messages=messages, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "HELLO"
    assert chunks[-1].choices[0].finish_reason == "stop"
    texts = [chunk.choices[0].text for chunk in client.completions.create(model="shout", prompt="a", stream=True)]
    assert "".join(texts) == "A"


def test_a_stream_comes_in_parts_with_its_reason_and_its_usage(client):
    script = Script(name="w", parts=4)
    messages = [{"role": "user", "content": script.prompt()}]
    stream = client.chat.completions.create(
        model="write", messages=messages, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    deltas = [chunk.choices[0].delta for chunk in chunks[:-1]]
    assert [delta.content for delta in deltas] == [*map(script.part, range(4)), None]
    assert [delta.role for delta in deltas] == ["assistant", None, None, None, None]
    assert [chunk.choices[0].finish_reason for chunk in chunks[:-1]] == [None] * 4 + ["length"]
    usage = chunks[-1].usage
    assert (chunks[-1].choices, usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == ([], 1, 4, 5)
    assert len({chunk.id for chunk in chunks}) == 1


def test_a_stream_of_several_prompts_says_which_part_is_whose(client):
    scripts = [Script(name="a", parts=2), Script(name="b", parts=3)]
    stream = client.completions.create(model="write", prompt=[script.prompt() for script in scripts], stream=True)
    texts = {0: "", 1: ""}
    for chunk in stream:
        texts[chunk.choices[0].index] += chunk.choices[0].text
    assert list(texts.values()) == [script.text() for script in scripts]


def test_a_stream_that_breaks_off_is_an_error_of_the_client(client):
    script = Script(name="w", parts=4, act="raise", at=2)
    stream = client.chat.completions.create(
        model="write", messages=[{"role": "user", "content": script.prompt()}], stream=True
    )
    assert [next(stream).choices[0].delta.content for _ in range(2)] == ["w.0 ", "w.1 "]
    with pytest.raises(openai.APIError, match="told to fail") as broken:
        next(stream)
    assert broken.value.code == "model_failed"


MESSAGE = [{"role": "user", "content": "x"}]


@pytest.mark.parametrize(
    ("call", "code", "param"),
    [
        (lambda c: c.embeddings.create(model="shout", input="x"), "model_not_suitable", "model"),
        (lambda c: c.embeddings.create(model="number", input="x"), "model_not_suitable", "model"),
        (lambda c: c.chat.completions.create(model="embed", messages=MESSAGE), "model_not_suitable", "model"),
        (lambda c: c.chat.completions.create(model="shout", messages=MESSAGE * 2), "model_not_suitable", "messages"),
        (
            lambda c: c.chat.completions.create(model="shout", messages=MESSAGE, temperature=0.2),
            "model_not_suitable",
            "temperature",
        ),
        (lambda c: c.chat.completions.create(model="shout", messages=MESSAGE, n=2), "model_not_suitable", "n"),
        (
            lambda c: c.chat.completions.create(
                model="shout", messages=MESSAGE, response_format={"type": "json_object"}
            ),
            "model_not_suitable",
            "response_format",
        ),
        (lambda c: c.completions.create(model="talk", prompt="x"), "model_not_suitable", "model"),
        (lambda c: c.embeddings.create(model="embed", input=[1, 2]), "invalid_json", "input"),
        (lambda c: c.embeddings.create(model="embed", input="x", dimensions=3), "model_not_suitable", "dimensions"),
        (lambda c: c.chat.completions.create(model="shout", messages=[]), "invalid_json", "messages"),
    ],
)
def test_what_a_model_cannot_do_is_said_and_not_made_up(client, call, code: str, param: str):
    with pytest.raises(openai.BadRequestError) as refused:
        call(client)
    assert (refused.value.code, refused.value.param) == (code, param)
    assert refused.value.type == "invalid_request_error"


def test_errors_are_the_clients_own_kinds(client):
    with pytest.raises(openai.NotFoundError) as missing:
        client.embeddings.create(model="embet", input="x")
    assert "Did you mean 'embed'" in missing.value.message
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="my_wrong").models.list()
    with pytest.raises(openai.NotFoundError):
        client.post("/responses", cast_to=object, body={})
