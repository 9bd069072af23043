"""Runs a detector of one's own: a Python file with a class that fulfils `Detector`, in a process of its own.

    python -m modelyard.drift.own.program FOLDER

FOLDER holds `detector.py`, `reference.json`, `window.json` and `settings.json`; `result.json` is written there: a
detection, or the reason why there is none. This runs somebody's code: only ever in a sandbox without network.
"""

import importlib.util
import sys
import traceback
from pathlib import Path

import msgspec

from modelyard.drift.base import Detection, DetectionSettings, Detector
from modelyard.drift.own.exchange import read_window
from modelyard.drift.reference import ReferenceSketch

PROGRAM, REFERENCE, WINDOW, SETTINGS, RESULT = (
    "detector.py",
    "reference.json",
    "window.json",
    "settings.json",
    "result.json",
)
_MODULE = "own_detector"


class OwnResult(msgspec.Struct, kw_only=True):
    """What a detector of one's own came to: a detection, or why there is none."""

    detection: Detection | None = None
    failure: str = ""


def load_detector(program: Path) -> Detector:
    """An object of the one class in the file that is a Detector.

    Raises:
        TypeError: there is none, or more than one.
    """
    spec = importlib.util.spec_from_file_location(_MODULE, program)
    if spec is None or spec.loader is None:
        raise TypeError(f"{program.name} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[_MODULE] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    kinds = [
        each
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, Detector) and each.__module__ == _MODULE
    ]
    if len(kinds) != 1:
        raise TypeError(f"the file must define one subclass of modelyard.drift.base.Detector, it defines {len(kinds)}")
    return kinds[0]()


def run(folder: Path) -> OwnResult:
    """The detector's answer, checked."""
    reference = ReferenceSketch.from_json((folder / REFERENCE).read_bytes())
    window = read_window(reference, (folder / WINDOW).read_bytes())
    settings = msgspec.json.decode((folder / SETTINGS).read_bytes(), type=DetectionSettings)
    try:
        found = load_detector(folder / PROGRAM).detect(reference, window, settings)
        if not isinstance(found, Detection):
            return OwnResult(failure=f"detect() returned {type(found).__name__} instead of a Detection")
        return OwnResult(detection=msgspec.convert(msgspec.to_builtins(found), Detection))
    except Exception as error:  # noqa: BLE001 - whatever somebody's code raises is the answer
        place = traceback.extract_tb(error.__traceback__)
        line = next((frame.lineno for frame in reversed(place) if Path(frame.filename).name == PROGRAM), None)
        where = f" (line {line})" if line else ""
        return OwnResult(failure=f"{type(error).__name__}{where}: {error}")


if __name__ == "__main__":
    target = Path(sys.argv[1])
    (target / RESULT).write_bytes(msgspec.json.encode(run(target)))
