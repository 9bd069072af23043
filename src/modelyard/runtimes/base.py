"""The runtime contract: load an artifact, predict on a batch of tensors, perhaps part by part."""

from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from modelyard.errors import InternalError, InvalidInputError
from modelyard.types.models import ArtifactFormat
from modelyard.types.signatures import Signature

Tensor = NDArray[Any]
"""Any dtype of signatures.DataType; BYTES tensors are object arrays of str. First dimension: the batch."""

Tensors = dict[str, Tensor]


class ArtifactInvalidError(InvalidInputError):
    """The file is not what its format says, is damaged, or is not allowed."""

    code = "artifact_invalid"


class PredictionFailedError(InternalError):
    """The model itself failed on a batch that fits its signature."""

    code = "prediction_failed"

    def __init__(self, cause: Exception) -> None:
        reason = (str(cause).strip().splitlines() or [type(cause).__name__])[0][:300]
        super().__init__(
            f"the model failed on this batch: {reason}",
            hint="The inputs fit the signature, so the model is at fault: try one row, then read the logs.",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How an answer in parts came to its end.

    Attributes:
        finish_reason: "stop": the model was done; "length": it reached the most that it may say.
        prompt_tokens, completion_tokens: what the model read and wrote; 0 if it does not count.
    """

    finish_reason: str = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0


Parts = Generator[Tensors | None, None, Ending]
"""An answer in parts. Each holds all outputs, and of texts only what is new; None: nothing yet, ask again."""


class Predictor(ABC):
    """A loaded model. Not thread-safe unless its runtime says so: a worker calls it from one thread."""

    @abstractmethod
    def predict(self, inputs: Mapping[str, Tensor]) -> Tensors:
        """Outputs of the signature for a batch; inputs are checked against the signature by the caller.

        Raises:
            PredictionFailedError: the model cannot answer this batch.
        """

    def examples(self, rows: int, *, seed: int = 0) -> Tensors | None:
        """Inputs like those that the model was made from, as far as it remembers them; None: it remembers nothing.

        Args:
            rows: how many.
            seed: equal seeds give equal rows.
        """
        del rows, seed
        return None

    def stream(self, inputs: Mapping[str, Tensor]) -> Parts:
        """The answer in parts; of a model that makes none, in one.

        The texts of all parts, put together row by row, are what `predict` answers. Between two parts the caller may
        predict and open other streams; it closes a stream that nobody reads any more. A step must not take long while
        there is nothing: it gives None then, so that others have their turn.

        Raises:
            PredictionFailedError: the model cannot go on; what was given before stands.
        """
        yield self.predict(inputs)
        return Ending()


class Runtime(ABC):
    """Loads one artifact format. `is_pure`: equal inputs give equal answers, so a request may be tried again."""

    format: ClassVar[ArtifactFormat]
    is_pure: ClassVar[bool] = True

    @abstractmethod
    def load(self, artifact: Path, signature: Signature, *, threads: int = 1) -> Predictor:
        """A predictor that uses at most `threads` threads.

        Raises:
            ArtifactInvalidError: the file is damaged or does not fit the signature.
        """

    @abstractmethod
    def infer_signature(self, artifact: Path) -> Signature:
        """What can be known of inputs and outputs from the file alone.

        Raises:
            ArtifactInvalidError: the file is damaged or says too little; the hint says what to give.
        """


def numpy_dtype(datatype: str) -> np.dtype[Any]:
    """The NumPy dtype that stands for a signature data type (BYTES is object)."""
    return np.dtype(_DTYPES[datatype])


_DTYPES: dict[str, type] = {
    "BOOL": np.bool_,
    "UINT8": np.uint8,
    "UINT16": np.uint16,
    "UINT32": np.uint32,
    "UINT64": np.uint64,
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
    "BYTES": np.object_,
}
