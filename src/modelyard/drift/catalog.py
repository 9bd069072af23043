"""Detectors by name."""

import difflib
from collections.abc import Iterable, Mapping

from modelyard.drift.base import Detector
from modelyard.drift.check import ColumnDetector, InputDetector, PredictionDetector
from modelyard.drift.multivariate import MultivariateDetector
from modelyard.drift.quality.estimation import EstimatedQualityDetector
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
        raise unknown_detector(name, DETECTORS)
    return DETECTORS[name]()


def unknown_detector(name: str, known: Iterable[str]) -> DetectorUnknownError:
    """The error that says which detectors there are."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    guess = f"Did you mean '{near[0]}'? " if near else ""
    return DetectorUnknownError(
        f"There is no detector '{name[:80]}'", hint=f"{guess}Known: {', '.join(names)}.", field="detectors"
    )
