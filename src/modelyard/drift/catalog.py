"""Detectors by name."""

import difflib
from collections.abc import Mapping

from modelyard.drift.base import Detector
from modelyard.drift.check import ColumnDetector, InputDetector, PredictionDetector
from modelyard.drift.estimation import EstimatedQualityDetector
from modelyard.drift.multivariate import MultivariateDetector
from modelyard.errors import InvalidInputError

DETECTORS: Mapping[str, type[Detector]] = {
    detector.name: detector
    for detector in (ColumnDetector, InputDetector, PredictionDetector, MultivariateDetector, EstimatedQualityDetector)
}


class DetectorUnknownError(InvalidInputError):
    """No detector of that name."""

    code = "detector_unknown"


def detector(name: str) -> Detector:
    """The detector of that name.

    Raises:
        DetectorUnknownError: there is none; the hint names the nearest.
    """
    if name not in DETECTORS:
        near = difflib.get_close_matches(name, DETECTORS, n=1)
        guess = f"Did you mean '{near[0]}'? " if near else ""
        raise DetectorUnknownError(
            f"There is no detector '{name[:80]}'", hint=f"{guess}Known: {', '.join(DETECTORS)}.", field="detector"
        )
    return DETECTORS[name]()
