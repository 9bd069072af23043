"""What an AutoML job has found out so far, on disk: after a crash it goes on from there."""

from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from modelyard.kit.files import write_atomic
from modelyard.types.automl.reports import AutoMLReport

REPORT = "report.json"
_FALLBACK = "fallback"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """A model that is there before the search has ended.

    Attributes:
        number: of its candidate.
        overhead_seconds: that had nothing to do with fitting.
        figures: its held-out ones.
    """

    number: int
    overhead_seconds: float
    figures: dict[str, float]


class Checkpoint:
    """A folder with the report and each candidate's answers. One process at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fallback_folder = folder / _FALLBACK
        folder.mkdir(parents=True, exist_ok=True)

    def report(self) -> AutoMLReport:
        """As it was saved last; an empty one at the beginning."""
        try:
            return read_report(self.folder / REPORT)
        except FileNotFoundError:
            return AutoMLReport()

    def save(self, report: AutoMLReport) -> None:
        """Whole or not at all."""
        write_atomic(self.folder / REPORT, msgspec.json.encode(report))

    def save_answers(self, number: int, answers: NDArray[np.float32]) -> None:
        """Keep a candidate's answers; before it stands in the report."""
        np.save(self.folder / f"{number}.npy", answers)

    def answers(self, number: int) -> NDArray[np.float32]:
        """A candidate's answers."""
        found: NDArray[np.float32] = np.load(self.folder / f"{number}.npy")
        return found

    def save_fallback(self, fallback: Fallback) -> None:
        """Say that the bundle in `fallback_folder` is complete."""
        write_atomic(self.fallback_folder.with_suffix(".json"), msgspec.json.encode(fallback))

    def fallback(self) -> Fallback | None:
        """What was said of the fallback, if there is one; what an earlier release said is not understood."""
        try:
            return msgspec.json.decode(self.fallback_folder.with_suffix(".json").read_bytes(), type=Fallback)
        except (FileNotFoundError, msgspec.ValidationError):
            return None


def read_report(path: Path) -> AutoMLReport:
    """A saved report.

    Raises:
        FileNotFoundError: there is none.
        msgspec.MsgspecError: it is damaged.
    """
    return msgspec.json.decode(path.read_bytes(), type=AutoMLReport)
