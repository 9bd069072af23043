"""How far a training is, on disk: killed and begun again, it goes on from there to the same model."""

import hashlib
import io
import json
import time
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard import __version__
from modelyard.kit.files import write_atomic

_LEAST_SECONDS = 1.0
_MOST_SHARE = 0.02  # of a training's time goes into its checkpoints
_VALUES = "values.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Everything that the rest of a training depends on.

    Attributes:
        values: what JSON can hold, with integers of any size (states of random generators).
        arrays: by name.
    """

    values: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]


class Checkpoint:
    """Of one training; one process at a time. Without a path it keeps nothing.

    Attributes:
        has_place: whether it keeps anything.
    """

    def __init__(self, path: Path | None, least_seconds: float) -> None:
        self._path = path
        self._least_seconds = least_seconds
        self._next = time.monotonic() + least_seconds
        self.has_place = path is not None

    def load(self) -> Progress | None:
        """What was saved last; None if that is nothing, or damaged."""
        try:
            content = self._path.read_bytes() if self._path is not None else b""
        except FileNotFoundError:
            return None
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as found:
                arrays = {name: found[name] for name in found.files}
            return Progress(values=json.loads(arrays.pop(_VALUES).tobytes()), arrays=arrays)
        except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile):
            return None

    def is_due(self) -> bool:
        """Whether it is time to save again: seldom enough to cost next to nothing."""
        return self._path is not None and time.monotonic() >= self._next

    def save(self, progress: Progress) -> None:
        """Replace what was saved, whole or not at all."""
        if self._path is None:
            return
        started = time.monotonic()
        values = np.frombuffer(json.dumps(progress.values).encode(), dtype=np.uint8)
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **{_VALUES: values, **progress.arrays})
        write_atomic(self._path, buffer.getvalue())
        ended = time.monotonic()
        self._next = ended + max(self._least_seconds, (ended - started) / _MOST_SHARE)


class Checkpoints:
    """A folder that outlives the job's process; None: nothing is kept.

    Args:
        folder: the folder.
        least_seconds: between two saves of a training.
    """

    def __init__(self, folder: Path | None, *, least_seconds: float = _LEAST_SECONDS) -> None:
        self._folder = folder
        self._least_seconds = least_seconds

    def of(self, settings: Mapping[str, Any], *data: NDArray[Any]) -> Checkpoint:
        """That of the training with these settings (what JSON can hold) on these data, with this release.

        A training that differs in any of them has another one, so a job may consist of several trainings.
        """
        return self.of_each([settings], *data)[0]

    def of_each(self, settings: Sequence[Mapping[str, Any]], *data: NDArray[Any]) -> list[Checkpoint]:
        """Those of several trainings on the same data, which is read once."""
        if self._folder is None:
            return [Checkpoint(None, self._least_seconds) for _ in settings]
        digest = hashlib.sha256()
        for array in data:
            digest.update(f"{array.dtype}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
        found = []
        for each in settings:
            own = digest.copy()
            own.update(json.dumps([__version__, each], sort_keys=True).encode())
            found.append(Checkpoint(self._folder / f"{own.hexdigest()[:32]}.npz", self._least_seconds))
        return found


NOWHERE = Checkpoints(None)
"""For trainings that are short, or whose owner keeps what they come to."""
