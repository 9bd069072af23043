"""Tables of plain numbers, and what the platform says about a window of one."""

import numpy as np

from modelyard.drift.base import DetectionSettings
from modelyard.drift.check import ColumnDetector
from modelyard.drift.reference import ReferenceSketch, build_reference, window_of
from modelyard.types.monitoring import Verdict
from modelyard.types.signatures import DataType, Signature, TensorSpec

COLUMNS = 30


def signature_of(columns: int) -> Signature:
    """So many numbers a row."""
    names = tuple(f"x{index}" for index in range(columns))
    return Signature(
        inputs=(TensorSpec(name="numeric", datatype=DataType.FP32, shape=(-1, columns), columns=names),), outputs=()
    )


def reference_of(values: np.ndarray) -> ReferenceSketch:
    """The sketch that is stored at training."""
    return build_reference(signature_of(values.shape[1]), {"numeric": values}, {})


def detect(reference: ReferenceSketch, values: np.ndarray, settings: DetectionSettings) -> bool:
    """Sketch the window and judge it: the whole cost of a check."""
    window = window_of(reference, [({"numeric": values}, {})])
    return ColumnDetector().detect(reference, window, settings).verdict is Verdict.DRIFT
