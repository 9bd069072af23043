"""River's detectors with their defaults, one a column, over windows in a file. Runs in river's own environment.

They watch streams: each sees the newest rows of the reference, then the window, and alarms if it does so in the window.
"""

import json
import sys
import time

import numpy as np
from river import drift

DETECTORS = {
    "river ADWIN, any column": (drift.ADWIN, 2_000, 100_000),
    "river PageHinkley, any column": (drift.PageHinkley, 2_000, 100_000),
    "river KSWIN, any column": (lambda: drift.KSWIN(seed=1), 300, 300),
}
"""Name: detector, rows of the reference it sees, longest window it can be given in sensible time."""


def judge(make, reference, window):
    started, alarm = time.process_time(), False
    for column in range(window.shape[1]):
        detector = make()
        for value in reference[:, column].tolist():
            detector.update(value)
        for value in window[:, column].tolist():
            detector.update(value)
            if detector.drift_detected:
                alarm = True
                break
    return [alarm, time.process_time() - started]


def main() -> None:
    data = np.load(sys.argv[1])
    answers = [
        {
            name: judge(make, data["reference"][-seen:], window)
            for name, (make, seen, longest) in DETECTORS.items()
            if len(window) <= longest
        }
        for window in data["windows"]
    ]
    print(json.dumps(answers))


main()
