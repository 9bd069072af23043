"""The handlers of a SageMaker script (`model_fn`, `input_fn`, `predict_fn`, `output_fn`, `transform_fn`) as a model.

Runs in the model's own environment: Python 3.9 and NumPy. A handler that the script leaves out is this module's own:
JSON, CSV and npy in and out, `model.predict` between them. An answer that is an iterator of parts goes out in parts.

Source: SageMaker Python SDK documentation, "Serve a Model" of the scikit-learn, XGBoost and PyTorch estimators.
"""

from __future__ import annotations

import importlib.util
import io
import json
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

JSON, CSV, NPY = "application/json", "text/csv", "application/x-npy"
_DECODED = (JSON, CSV)
_LIBSVM = ("text/libsvm", "text/x-libsvm")
_OK, _INVALID, _UNSUPPORTED, _FAILED = 200, 400, 415, 500
_state: dict[str, Any] = {}


class UnsupportedTypeError(Exception):
    """A content type that the handlers do not take or give."""


class BodyInvalidError(Exception):
    """A body that is not what its content type says."""


def load(folder: str) -> None:
    """Import the script that `handlers.json` names and let it load the model from `folder`."""
    root = Path(folder)
    program = root / json.loads((root / "handlers.json").read_text())["program"]
    os.environ["SM_MODEL_DIR"] = folder
    os.environ["SAGEMAKER_PROGRAM"] = program.name
    sys.path.insert(0, str(program.parent))
    spec = importlib.util.spec_from_file_location(program.stem, program)
    if spec is None or spec.loader is None:
        raise ImportError(f"{program.name} is no Python file")
    script = importlib.util.module_from_spec(spec)
    sys.modules[program.stem] = script
    spec.loader.exec_module(script)
    if not hasattr(script, "model_fn"):
        raise ImportError(f"{program.name} has no function 'model_fn'")
    _state["script"] = script
    _state["model"] = script.model_fn(folder)


def predict(inputs: dict[str, Any]) -> dict[str, Any]:
    """The answer to one body; an exception of the script is an answer too, with its status."""
    parts = list(stream(inputs))
    last = parts[-1]
    if last["status"][0] != _OK:
        return last
    return {**last, "body": _bytes(b"".join(part["body"].tobytes() for part in parts))}


def stream(inputs: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The same in parts, as the script gives them."""
    asked = {name: str(inputs[name][0]) for name in ("content_type", "accept")}
    try:
        parts, content_type = _transform(inputs["body"].tobytes(), asked["content_type"], asked["accept"])
        yield _answer(_OK, next(parts, b""), content_type)
        for part in parts:
            yield _answer(_OK, part, content_type)
    except UnsupportedTypeError as error:
        yield _answer(_UNSUPPORTED, str(error).encode(), "text/plain")
    except BodyInvalidError as error:
        yield _answer(_INVALID, str(error).encode(), "text/plain")
    except Exception as error:  # noqa: BLE001 - whatever a script raises is its answer
        traceback.print_exc()
        yield _answer(_FAILED, f"{type(error).__name__}: {error}".encode(), "text/plain")


def _transform(body: bytes, content_type: str, accept: str) -> tuple[Iterator[bytes], str]:
    """The parts of the answer and their content type."""
    script, model = _state["script"], _state["model"]
    content_type = content_type or JSON
    accept = JSON if accept in ("", "*/*") else accept
    content = body.decode() if content_type.partition(";")[0].strip() in _DECODED else body
    if hasattr(script, "transform_fn"):
        answer = script.transform_fn(model, content, content_type, accept)
    else:
        has_own = hasattr(script, "input_fn")
        data = script.input_fn(content, content_type) if has_own else _read(model, content, content_type)
        prediction = getattr(script, "predict_fn", predict_fn)(data, model)
        answer = getattr(script, "output_fn", output_fn)(prediction, accept)
    if isinstance(answer, tuple) and len(answer) == 2:  # noqa: PLR2004 - the body and its content type
        answer, accept = answer
    return _parts(answer), accept


def _read(model: Any, content: Any, content_type: str) -> Any:
    """The default of the image: a matrix of its own for a booster of XGBoost, which also reads libsvm's lines."""
    xgboost = sys.modules.get("xgboost")
    if xgboost is None or not isinstance(model, xgboost.Booster):
        return input_fn(content, content_type)
    is_sparse = content_type.partition(";")[0].strip() in _LIBSVM
    return xgboost.DMatrix(_rows(content, model.num_features()) if is_sparse else input_fn(content, content_type))


def _rows(content: bytes, width: int) -> Any:
    """Lines of `index:value` as an array; what a line does not name is missing. See dataplane.decoding.libsvm."""
    lines = [words for line in content.decode("latin-1").splitlines() if (words := line.partition("#")[0].split())]
    rows = np.full((len(lines), width), np.nan, np.float32)
    for number, words in enumerate(lines):
        for pair in words if ":" in words[0] else words[1:]:
            index, value = _pair(pair, number + 1, width)
            rows[number, index] = value
    return rows


def _pair(text: str, line: int, width: int) -> tuple[int, float]:
    index, _, value = text.partition(":")
    try:
        found = int(index), float(value)
    except ValueError:
        found = -1, 0.0
    if not 0 <= found[0] < width:
        raise BodyInvalidError(f"line {line}: '{text[:40]}' is no pair of an index below {width} and a number")
    return found


def input_fn(content: Any, content_type: str) -> Any:
    """The default: an array."""
    kind = content_type.partition(";")[0].strip()
    if kind == JSON:
        return np.array(json.loads(content))
    if kind == CSV:
        return np.array([[float(cell) for cell in line.split(",")] for line in content.splitlines() if line.strip()])
    if kind == NPY:
        return np.load(io.BytesIO(content), allow_pickle=False)
    raise UnsupportedTypeError(f"the content type '{content_type}' is not supported by this model")


def predict_fn(data: Any, model: Any) -> Any:
    """The default: `model.predict(data)`, or `model(data)`."""
    return model.predict(data) if hasattr(model, "predict") else model(data)


def output_fn(prediction: Any, accept: str) -> Any:
    """The default: the array as it was asked for."""
    kind = accept.partition(";")[0].strip()
    array = np.asarray(prediction)
    if kind == JSON:
        return json.dumps(array.tolist())
    if kind == CSV:
        rows = array.reshape(len(array), -1) if array.ndim else array.reshape(1, 1)
        return "\n".join(",".join(str(cell) for cell in row) for row in rows.tolist())
    if kind == NPY:
        target = io.BytesIO()
        np.save(target, array, allow_pickle=False)
        return target.getvalue()
    raise UnsupportedTypeError(f"this model does not answer with '{accept}'")


def _parts(answer: Any) -> Iterator[bytes]:
    if isinstance(answer, (str, bytes, bytearray)):
        answer = [answer]
    elif not isinstance(answer, Iterator):
        raise TypeError(f"output_fn() returned {type(answer).__name__}, not text, bytes or an iterator of them")
    for part in answer:
        yield part.encode() if isinstance(part, str) else bytes(part)


def _answer(status: int, body: bytes, content_type: str) -> dict[str, Any]:
    return {
        "body": _bytes(body),
        "content_type": np.array([content_type], dtype=object),
        "custom_attributes": np.array([""], dtype=object),
        "status": np.array([status], dtype=np.int32),
    }


def _bytes(content: bytes) -> Any:
    return np.frombuffer(content, dtype=np.uint8).reshape(1, -1)
