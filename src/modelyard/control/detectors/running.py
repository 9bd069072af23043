"""Runs a detector of one's own in a sandbox: no network, a time limit, and nothing to see but its folder."""

import shutil
import sys
from pathlib import Path

import msgspec

from modelyard.control.detectors.errors import DetectorFailedError
from modelyard.drift.base import Detection, DetectionSettings
from modelyard.drift.own.exchange import write_window
from modelyard.drift.own.program import PROGRAM, REFERENCE, RESULT, SETTINGS, WINDOW, OwnResult
from modelyard.drift.reference import ReferenceSketch, WindowSketch
from modelyard.engines.base import Engine, check_fence
from modelyard.kit.ids import new_id
from modelyard.types.monitoring import DetectorDescription
from modelyard.types.processes import ProcessSpec, ProcessState, Resources

_SECONDS = 120.0
_PATIENCE_SECONDS = 10.0
_LIMITS = Resources(cpus=1.0, memory_bytes=2 << 30, disk_bytes=256 << 20, time_limit_seconds=_SECONDS, max_processes=64)
_MAX_RESULT_BYTES = 16 << 20


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
        check_fence(self._engine)
        process = new_id("detector")
        folder = self._folder / process
        folder.mkdir(parents=True, mode=0o700)
        try:
            (folder / PROGRAM).write_text(detector.source or "", encoding="utf-8")
            (folder / REFERENCE).write_bytes(reference.to_json())
            (folder / WINDOW).write_bytes(write_window(window))
            (folder / SETTINGS).write_bytes(msgspec.json.encode(settings))
            self._engine.submit(process, self._spec(folder, project, detector.name))
            state = self._engine.wait(process, _SECONDS + _PATIENCE_SECONDS)
            return _answer(detector.name, state, folder / RESULT)
        finally:
            self._engine.remove(process)
            shutil.rmtree(folder, ignore_errors=True)

    @staticmethod
    def _spec(folder: Path, project: str, name: str) -> ProcessSpec:
        return ProcessSpec(
            command=(sys.executable, "-m", "modelyard.drift.own.program", str(folder)),
            work_directory=str(folder),
            resources=_LIMITS,
            labels={"detector": name, "project": project},
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
            f"Detector '{name}' left no readable answer: {error}", hint="detect() must return a Detection."
        ) from error
    if result.detection is None:
        raise DetectorFailedError(f"Detector '{name}' gave no verdict: {result.failure}", hint="Correct its file.")
    return result.detection
