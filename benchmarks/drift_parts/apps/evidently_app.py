"""Evidently's DataDriftPreset with its defaults, over windows in a file. Runs in Evidently's own environment."""

import json
import sys
import time
import warnings

import numpy as np

warnings.filterwarnings("ignore")

import pandas as pd  # noqa: E402
from evidently import Dataset, Report  # noqa: E402
from evidently.presets import DataDriftPreset  # noqa: E402


def main() -> None:
    data = np.load(sys.argv[1])
    names = [f"x{index}" for index in range(data["reference"].shape[1])]
    reference = pd.DataFrame(data["reference"], columns=names)
    answers = []
    for window in data["windows"]:
        started = time.process_time()
        current = Dataset.from_pandas(pd.DataFrame(window, columns=names))
        metrics = Report([DataDriftPreset()]).run(current, Dataset.from_pandas(reference)).dict()["metrics"]
        counted = next(each for each in metrics if each["metric_name"].startswith("DriftedColumnsCount"))
        seconds = time.process_time() - started
        answers.append(
            {
                "Evidently, data set verdict": [bool(counted["value"]["share"] >= 0.5), seconds],
                "Evidently, any column": [bool(counted["value"]["count"] > 0), seconds],
            }
        )
    print(json.dumps(answers))


main()
