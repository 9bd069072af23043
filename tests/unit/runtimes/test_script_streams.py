"""A Python script that answers in parts."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelyard.runtimes.base import Ending, Parts, PredictionFailedError
from modelyard.runtimes.foreign.runtime import ProgramPredictor
from modelyard.runtimes.formats.programs.script import ScriptRuntime
from modelyard.types.signatures import DataType, Signature, TensorSpec

SIGNATURE = Signature(
    inputs=(TensorSpec(name="prompt", datatype=DataType.BYTES, shape=(-1,)),),
    outputs=(TensorSpec(name="text", datatype=DataType.BYTES, shape=(-1,)),),
)
WHOLE = """
import numpy as np

def load(folder):
    pass

def predict(inputs):
    return {"text": np.array([f"<{text}>" for text in inputs["prompt"]], dtype=object)}
"""
IN_PARTS = (
    WHOLE
    + """
def stream(inputs):
    try:
        yield {"text": ["<" for _ in inputs["prompt"]]}
        for place in range(max(map(len, inputs["prompt"]))):
            if "!" in inputs["prompt"][0]:
                raise RuntimeError("no exclamation marks")
            yield {"text": [text[place : place + 1] for text in inputs["prompt"]]}
        yield {"text": [">" for _ in inputs["prompt"]]}
        return {"finish_reason": "length", "completion_tokens": 7}
    finally:
        with open("ends", "a") as file:
            file.write(inputs["prompt"][0] + " ")
"""
)


@pytest.fixture
def predictor(tmp_path: Path) -> Iterator[ProgramPredictor]:
    with closing(load(tmp_path, IN_PARTS)) as predictor:
        yield predictor


def load(folder: Path, source: str) -> ProgramPredictor:
    (folder / "model.py").write_text(source)
    return ScriptRuntime().load(folder / "model.py", SIGNATURE)


def prompt(*texts: str) -> dict[str, Any]:
    return {"prompt": np.array(texts, dtype=object)}


def read(parts: Parts) -> tuple[list[list[str]], Ending]:
    seen = []
    while True:
        try:
            part = next(parts)
        except StopIteration as end:
            return seen, end.value
        assert part is not None
        seen.append(part["text"].tolist())


def test_its_parts_put_together_are_its_answer(predictor):
    parts, ending = read(predictor.stream(prompt("abc", "d")))
    assert parts == [["<", "<"], ["a", "d"], ["b", ""], ["c", ""], [">", ">"]]
    assert ending == Ending(finish_reason="length", completion_tokens=7)
    assert predictor.predict(prompt("abc", "d"))["text"].tolist() == ["<abc>", "<d>"]


def test_streams_and_batches_take_turns(predictor):
    first, second = predictor.stream(prompt("abc")), predictor.stream(prompt("xyz"))
    woven = [next(stream)["text"][0] for _ in range(4) for stream in (first, second)]
    assert woven == ["<", "<", "a", "x", "b", "y", "c", "z"]
    assert predictor.predict(prompt("q"))["text"].tolist() == ["<q>"]
    assert read(second)[0] == read(first)[0] == [[">"]]


def test_a_stream_that_is_left_hears_of_it(predictor, tmp_path: Path):
    left = predictor.stream(prompt("left"))
    next(left)
    left.close()
    assert (tmp_path / "ends").read_text() == "left "


def test_what_it_raises_on_the_way_is_told_and_the_others_go_on(predictor):
    other, broken = predictor.stream(prompt("ab")), predictor.stream(prompt("a!"))
    assert next(other)["text"].tolist() == next(broken)["text"].tolist() == ["<"]
    with pytest.raises(PredictionFailedError, match="no exclamation marks"):
        next(broken)
    assert read(other)[0] == [["a"], ["b"], [">"]]


def test_a_script_without_parts_answers_in_one(tmp_path: Path):
    with closing(load(tmp_path, WHOLE)) as predictor:
        assert read(predictor.stream(prompt("abc"))) == ([["<abc>"]], Ending())
