"""Lines in libsvm's format, which SageMaker's XGBoost takes, to rows: `index:value` pairs of a row on each line.

Source: github.com/cjlin1/libsvm, README, section "Quick start"; XGBoost's documentation, "Text Input Format of
DMatrix": indices begin with 0, and what has no pair is missing.
"""

import io

import numpy as np
from numpy.typing import NDArray

from modelyard.dataplane.decoding.messages import Column
from modelyard.dataplane.errors import BodyInvalidError
from modelyard.errors import TooLargeError
from modelyard.types.signatures import DataType

_BYTES_OF_NUMBER = 8


def rows_of(body: bytes, width: int, limit_bytes: int) -> Column:
    """The rows as FP64 (n, width); the label that a line may begin with is left out.

    Raises:
        BodyInvalidError: no line, or one has something else than pairs.
        TooLargeError: lines that are too many when they are written out.
    """
    rows: list[NDArray[np.float64]] = []
    for number, line in enumerate(io.TextIOWrapper(io.BytesIO(body), "latin-1"), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if (len(rows) + 1) * width * _BYTES_OF_NUMBER > limit_bytes:
            raise TooLargeError(f"the lines take more than {limit_bytes} bytes as rows", hint="Send fewer lines.")
        row = np.full(width, np.nan)
        for pair in words if ":" in words[0] else words[1:]:
            index, value = _pair(pair, number, width)
            row[index] = value
        rows.append(row)
    if not rows:
        raise BodyInvalidError("the body holds no line", hint="Send one line per row.")
    return Column("features", DataType.FP64, (len(rows), width), np.stack(rows).tobytes())


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
