"""One version in a replay: asked request by request, its failures kept apart from its answers, its time measured."""

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from modelyard.errors import ModelyardError
from modelyard.runtimes.base import Predictor, Tensors
from modelyard.runtimes.bundle import load_bundle
from modelyard.types.models import Manifest

_STATM = Path("/proc/self/statm")
_PAGE_BYTES = 4096
_MESSAGE_LENGTH = 300


class Side:
    """A version under replay.

    Args:
        predictor: as it would be served.
        manifest: of its bundle. A program computes in a process of its own: only the clock on the wall sees its time.
    """

    def __init__(self, predictor: Predictor, manifest: Manifest) -> None:
        self.predictor = predictor
        self.failure = ""
        self._clock: Callable[[], int] = (
            time.perf_counter_ns if manifest.artifact_format.runs_code else time.process_time_ns
        )
        self._times: dict[str, list[int]] = {}

    def ask(self, inputs: Tensors, rows: int, kind: str = "") -> Tensors | None:
        """The answer, timed among those of its `kind`; None if the model fails, or answers another number of rows."""
        begin = self._clock()
        try:
            outputs = self.predictor.predict(inputs)
        except ModelyardError as error:
            self.failure = error.message[:_MESSAGE_LENGTH]
            return None
        self._times.setdefault(kind, []).append(self._clock() - begin)
        short = next((name for name, array in outputs.items() if array.ndim and len(array) != rows), None)
        if short is None:
            return outputs
        self.failure = f"output '{short}' has {len(outputs[short])} rows where {rows} were asked"
        return None

    def microseconds(self, kind: str) -> float | None:
        """Median time of the requests of this kind."""
        times = self._times.get(kind)
        return median(times) / 1000 if times else None


def load_sides(folders: list[Path], manifests: list[Manifest], threads: int) -> tuple[Side, Side, dict[str, float]]:
    """The running version, the candidate, and the bytes of memory that loading each takes.

    The running version is loaded twice: with the first one come the libraries, which are no version's own.

    Raises:
        ModelyardError: the candidate does not load.
    """
    running = load_bundle(folders[0], threads)[1]
    if any(manifest.artifact_format.runs_code for manifest in manifests):
        candidate = load_bundle(folders[1], threads)[1]
        return Side(running, manifests[0]), Side(candidate, manifests[1]), {}
    levels = [_resident_bytes()]
    candidate = load_bundle(folders[1], threads)[1]
    levels.append(_resident_bytes())
    again = load_bundle(folders[0], threads)[1]
    levels.append(_resident_bytes())
    del again
    memory = {
        "memory/running": float(max(0, levels[2] - levels[1])),
        "memory/candidate": float(max(0, levels[1] - levels[0])),
    }
    return Side(running, manifests[0]), Side(candidate, manifests[1]), memory


def _resident_bytes() -> int:
    return int(_STATM.read_text().split()[1]) * _PAGE_BYTES
