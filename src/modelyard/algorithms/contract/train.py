"""Trains a built-in algorithm under the container contract: `python -m modelyard.algorithms.contract.train NAME`.

It reads /opt/ml/input and leaves its model in /opt/ml/model; what was wrong goes to /opt/ml/output/failure.
"""

import importlib
import sys
import traceback
from pathlib import Path

from modelyard.algorithms.contract.context import BuiltInJob
from modelyard.algorithms.contract.hyperparameters import check_names
from modelyard.algorithms.errors import AlgorithmNotFoundError
from modelyard.errors import ModelyardError

MODULES = {
    "xgboost": "xgboost",
    "linear-learner": "linear_learner",
    "image-classification": "image_classification",
    "k-means": "kmeans",
    "pca": "pca",
    "knn": "knn",
    "factorization-machines": "factorization_machines",
    "random-cut-forest": "trees.random_cut_forest",
    "blazingtext": "texts.blazingtext",
    "deepar": "deepar",
    "lightgbm": "trees.lightgbm",
    "lightgbm-classification": "trees.lightgbm",
    "lightgbm-regression": "trees.lightgbm",
    "catboost": "trees.catboost",
    "catboost-classification": "trees.catboost",
    "catboost-regression": "trees.catboost",
}


def train(name: str, root: Path) -> None:
    """Train the algorithm of this name on what is below `root`.

    Raises:
        ModelyardError: the data or a hyper-parameter is not what it takes, or there is no such algorithm.
    """
    if name not in MODULES:
        raise AlgorithmNotFoundError(f"There is no algorithm '{name}'", hint=f"There are {', '.join(MODULES)}.")
    module = importlib.import_module(f"modelyard.algorithms.contract.builtin.{MODULES[name]}")
    job = BuiltInJob.read(root, name)
    check_names(name, job.given)
    job.check_trained()
    module.train(job)
    job.tell_unused()


def main(name: str, root: Path) -> int:
    """Train; the exit code."""
    try:
        train(name, root)
    except ModelyardError as error:
        reason, code = f"ClientError: {error.message}. {error.hint}".strip(), 2
    except Exception as error:  # noqa: BLE001 - whatever it is, the job's record must say it
        traceback.print_exc()
        reason, code = f"InternalServerError: {type(error).__name__}: {error}", 1
    else:
        return 0
    BuiltInJob.log(reason)
    (root / "output" / "failure").write_text(reason, encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path("/opt/ml")))
