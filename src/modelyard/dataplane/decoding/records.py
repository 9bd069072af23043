"""RecordIO files of protobuf records to rows of numbers."""

import numpy as np
from numpy.typing import NDArray

from modelyard.dataplane.decoding.messages import Column
from modelyard.dataplane.errors import BodyInvalidError
from modelyard.errors import TooLargeError
from modelyard.kit.formats import recordio
from modelyard.types.signatures import DataType

_BYTES_OF_NUMBER = 4


def rows_of(body: bytes, width: int, limit_bytes: int) -> Column:
    """The features of every record as FP32 (n, width).

    Raises:
        BodyInvalidError: no RecordIO, damaged, or a record of another width.
        TooLargeError: sparse records that are too many when they are written out.
    """
    rows: list[NDArray[np.float32]] = []
    try:
        for frame in recordio.frames(body):
            vector, _ = recordio.record(frame)
            if vector.length != width and not (len(vector.keys) and vector.length < width):
                raise BodyInvalidError(
                    f"record {len(rows)} has {vector.length} features, the model takes {width}",
                    hint="Send the features alone, without the label.",
                )
            rows.append(vector.dense(width).astype(np.float32).reshape(width))
            if len(rows) * width * _BYTES_OF_NUMBER > limit_bytes:
                raise TooLargeError(f"the records take more than {limit_bytes} bytes", hint="Send fewer rows.")
    except (ValueError, IndexError, OverflowError) as error:
        raise BodyInvalidError(f"the body is {error}", hint="Write it with the SDK's RecordSerializer.") from error
    if not rows:
        raise BodyInvalidError("the body holds no record", hint="Send at least one.")
    return Column("features", DataType.FP32, (len(rows), width), np.stack(rows).tobytes())
