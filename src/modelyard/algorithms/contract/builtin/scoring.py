"""What a model that was just written says, to measure it by its own answers."""

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.contract.builtin.graphs import ARTIFACT, INPUT
from modelyard.algorithms.contract.context import BuiltInJob
from modelyard.algorithms.errors import ChannelInvalidError

_AT_ONCE = 1000


def answers(job: BuiltInJob, features: NDArray[np.float32]) -> NDArray[np.float32]:
    """The first output for each row of `features` (n, d).

    Raises:
        ChannelInvalidError: the model was trained on rows of another width.
    """
    import onnxruntime  # noqa: PLC0415 - only where there is something to measure

    session = onnxruntime.InferenceSession(str(job.model / ARTIFACT), providers=["CPUExecutionProvider"])
    width = session.get_inputs()[0].shape[1]
    if features.shape[1] != width:
        raise ChannelInvalidError(
            f"A row of the test has {features.shape[1]} features, one of the training {width}",
            hint="Check label_size in the content types of both channels.",
            field="channels.test",
        )
    starts = range(0, len(features), _AT_ONCE)
    return np.concatenate([session.run(None, {INPUT: features[start : start + _AT_ONCE]})[0] for start in starts])
