"""Runs a detector of one's own in a sandbox: no network, a time limit, and nothing to see but its folder."""

import shutil
import sys
from pathlib import Path

import msgspec

from modelyard.control.detectors.errors import DetectorFailedError
from modelyard.drift.base import Detection, DetectionSettings
from modelyard.drift.own.exchange import write_window
from modelyard.drift.own.plain import sample_csv
from modelyard.drift.own.program import PROGRAM, REFERENCE, RESULT, SETTINGS, WINDOW, OwnResult
from modelyard.drift.reference import ReferenceSketch, WindowSketch
from modelyard.drift.samples import unpack
from modelyard.engines.base import Engine, check_fence
from modelyard.kit.ids import new_id
from modelyard.types.monitoring import DetectorDescription
from modelyard.types.processes import ProcessSpec, ProcessState, Resources

_SECONDS = 120.0
_PATIENCE_SECONDS = 10.0
_LIMITS = Resources(cpus=1.0, memory_bytes=2 << 30, disk_bytes=256 << 20, time_limit_seconds=_SECONDS, max_processes=64)
_MAX_RESULT_BYTES = 16 << 20
REFERENCE_ROWS, WINDOW_ROWS = "reference.csv", "window.csv"


class DetectorRunner:
    """Runs detectors, each in a process of its own. Safe from any thread.

    Args:
        engine: where processes run.
        folder: holds a folder a run, while it lasts.
    """

    def __init__(self, engine: Engine, folder: Path) -> None:
        self._engine = engine
        self._folder = folder

    def run(
        self,
        project: str,
        detector: DetectorDescription,
        reference: ReferenceSketch,
        window: WindowSketch,
        settings: DetectionSettings,
    ) -> Detection:
        """Its answer.

        Raises:
            DetectorFailedError: it gave none; the message has its reason.
            SandboxTooWeakError: this machine cannot fence it in.
        """
        if detector.image is None:  # a container fences in by itself
            check_fence(self._engine)
        process = new_id("detector")
        folder = self._folder / process
        folder.mkdir(parents=True, mode=0o700)
        try:
            if detector.image is None:
                (folder / PROGRAM).write_text(detector.source or "", encoding="utf-8")
            else:
                samples = {
                    REFERENCE_ROWS: unpack(reference.sample, reference.columns),
                    WINDOW_ROWS: window.sample.columns,
                }
                for name, columns in samples.items():
                    (folder / name).write_text(sample_csv(reference.columns, columns), encoding="utf-8")
            (folder / REFERENCE).write_bytes(reference.to_json())
            (folder / WINDOW).write_bytes(write_window(window))
            (folder / SETTINGS).write_bytes(msgspec.json.encode(settings))
            self._engine.submit(process, self._spec(folder, project, detector))
            state = self._engine.wait(process, _SECONDS + _PATIENCE_SECONDS)
            return _answer(detector.name, state, folder / RESULT)
        finally:
            self._engine.remove(process)
            shutil.rmtree(folder, ignore_errors=True)

    @staticmethod
    def _spec(folder: Path, project: str, detector: DetectorDescription) -> ProcessSpec:
        own = (sys.executable, "-m", "modelyard.drift.own.program", str(folder))
        return ProcessSpec(
            command=own if detector.image is None else detector.image.command,
            image="" if detector.image is None else detector.image.digest,
            work_directory=str(folder),
            resources=_LIMITS,
            labels={"detector": detector.name, "project": project},
        )


def _answer(name: str, state: ProcessState, file: Path) -> Detection:
    if state.end is None or state.end.exit_code != 0:
        ended = state.end.message if state.end else "it did not end in time"
        tail = state.end.log_tail.strip()[-400:] if state.end else ""
        raise DetectorFailedError(
            f"Detector '{name}' ended without a verdict: {ended}", hint=tail or "It wrote nothing to its output."
        )
    try:
        if file.is_symlink() or file.stat().st_size > _MAX_RESULT_BYTES:
            raise DetectorFailedError(f"Detector '{name}' left no readable answer", hint="It must not touch files.")
        result = msgspec.json.decode(file.read_bytes(), type=OwnResult)
    except (OSError, msgspec.DecodeError) as error:
        raise DetectorFailedError(
            f"Detector '{name}' left no readable answer: {error}",
            hint="detect() must return a Detection; an image must write it as JSON to result.json.",
        ) from error
    if result.detection is None:
        raise DetectorFailedError(f"Detector '{name}' gave no verdict: {result.failure}", hint="Correct it.")
    return result.detection
