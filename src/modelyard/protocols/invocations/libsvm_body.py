"""Bodies in libsvm's format, which SageMaker's XGBoost takes: `index:value` pairs of a row on each line.

Source: github.com/cjlin1/libsvm, README, section "Quick start"; XGBoost's documentation, "Text Input Format of
DMatrix": indices begin with 0, and what has no pair is missing.
"""

import numpy as np

from modelyard.dataplane.errors import BodyInvalidError, UnsupportedMediaTypeError
from modelyard.dataplane.tensors import WireTensor
from modelyard.protocols.arrays import from_array
from modelyard.types.signatures import DataType, Signature

_ROWS_RANK = 2


def parse_libsvm(body: bytes, signature: Signature) -> list[WireTensor]:
    """The tensor of a body; the label that a line may begin with is left out.

    Raises:
        InvalidInputError: the model takes no rows of numbers, or a line has something else than pairs.
    """
    spec = signature.inputs[0]
    is_table = len(signature.inputs) == 1 and len(spec.shape) == _ROWS_RANK and spec.shape[1] > 0
    if not is_table or not spec.datatype.startswith("FP"):
        raise UnsupportedMediaTypeError("this model takes no rows of numbers", hint="Send application/json.")
    lines = [words for line in body.decode("latin-1").splitlines() if (words := line.partition("#")[0].split())]
    if not lines:
        raise BodyInvalidError("the body holds no line", hint="Send one line per row.")
    rows = np.full((len(lines), spec.shape[1]), np.nan, np.float64 if spec.datatype is DataType.FP64 else np.float32)
    for number, words in enumerate(lines):
        pairs = words if ":" in words[0] else words[1:]
        for pair in pairs:
            index, value = _pair(pair, number + 1, spec.shape[1])
            rows[number, index] = value
    return from_array(signature, rows)


def _pair(text: str, line: int, width: int) -> tuple[int, float]:
    index, _, value = text.partition(":")
    try:
        found = int(index), float(value)
    except ValueError:
        found = -1, 0.0
    if not 0 <= found[0] < width:
        raise BodyInvalidError(
            f"line {line}: '{text[:40]}' is no pair of an index below {width} and a number",
            hint="Write lines like 0:1.5 3:2.",
        )
    return found
