"""A worker whose model answers in parts and does what it is told, to provoke what real models do seldom.

`python -m modelyard.testing.streaming_model --socket PATH [--impure] [--hang-seconds N]`. Input "prompt" and output
"text", both BYTES (-1,). A prompt is JSON, see Script; what becomes of a stream is printed.
"""

import argparse
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping

import msgspec
import numpy as np

from modelyard.dataplane.model_server import ModelServer
from modelyard.dataplane.vitals import HANG_SECONDS
from modelyard.runtimes.base import Ending, Parts, Predictor, Tensor, Tensors
from modelyard.testing.serving import Serving, WorkerProcess
from modelyard.types.signatures import DataType, Signature, TensorSpec

SIGNATURE = Signature(
    inputs=(TensorSpec(name="prompt", datatype=DataType.BYTES, shape=(-1,)),),
    outputs=(TensorSpec(name="text", datatype=DataType.BYTES, shape=(-1,)),),
)


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """What a text consists of, and what happens on the way.

    Attributes:
        name: every part begins with it.
        parts: how many.
        seconds: how long each takes.
        padding: bytes that are added to each.
        act: at the part `at`: "raise", "die", or "hang" in C code that holds Python's lock.
    """

    name: str
    parts: int = 3
    seconds: float = 0.0
    padding: int = 0
    act: str = ""
    at: int = -1

    def part(self, number: int) -> str:
        """The `number`-th part."""
        return f"{self.name}.{number} " + "x" * self.padding

    def text(self) -> str:
        """The whole."""
        return "".join(map(self.part, range(self.parts)))

    def prompt(self) -> str:
        """The prompt that asks for it."""
        return msgspec.json.encode(self).decode()


class StreamingPredictor(Predictor):
    """See the module."""

    def predict(self, inputs: Mapping[str, Tensor]) -> Tensors:
        """See Predictor."""
        return {"text": _column("".join(_spoken(script)) for script in _scripts(inputs))}

    def stream(self, inputs: Mapping[str, Tensor]) -> Parts:
        """See Predictor: one row after the other."""
        scripts, made = _scripts(inputs), 0
        try:
            for row, script in enumerate(scripts):
                for part in _spoken(script):
                    made += 1
                    yield {"text": _column(part if index == row else "" for index in range(len(scripts)))}
        except GeneratorExit:
            sys.stdout.write(f"closed {scripts[0].name} after {made} parts\n")
            sys.stdout.flush()
            raise
        return Ending(finish_reason="length", prompt_tokens=len(scripts), completion_tokens=made)


def _spoken(script: Script) -> Iterator[str]:
    for number in range(script.parts):
        time.sleep(script.seconds)
        if number == script.at:
            _act(script.act)
        yield script.part(number)


def _act(act: str) -> None:
    if act == "die":
        os._exit(9)
    if act == "hang":
        re.fullmatch("(a+)+b", "a" * 64)  # 2**64 ways to try
    raise ArithmeticError("told to fail")


def _scripts(inputs: Mapping[str, Tensor]) -> list[Script]:
    return [msgspec.json.decode(str(prompt), type=Script) for prompt in inputs["prompt"]]


def _column(texts: Iterator[str]) -> Tensor:
    made = list(texts)
    column = np.empty(len(made), dtype=object)
    column[:] = made
    return column


def start_streaming(serving: Serving, name: str, *options: str) -> WorkerProcess:
    """A worker of this module."""
    return serving.start_worker(name, command=["-m", "modelyard.testing.streaming_model", *options])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", required=True)
    parser.add_argument("--impure", action="store_true")
    parser.add_argument("--hang-seconds", type=float, default=HANG_SECONDS)
    given = parser.parse_args()
    ModelServer(SIGNATURE, StreamingPredictor(), is_pure=not given.impure, hang_seconds=given.hang_seconds).run(
        given.socket
    )
