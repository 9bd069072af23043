import subprocess
import sys

import pytest

from modelyard.algorithms import catalog
from modelyard.algorithms.errors import AlgorithmNotFoundError

HEAVY = ("sklearn", "xgboost", "onnx", "onnxruntime", "torch", "pyarrow", "scipy")


def test_describing_algorithms_imports_no_machine_learning_library():
    code = (
        "import sys\nfrom modelyard.algorithms import catalog, hyperparameters\n"
        "for one in catalog.descriptions(): hyperparameters.complete(catalog.describe(one.name), {})\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_an_unknown_algorithm_is_refused_with_the_nearest_name():
    with pytest.raises(AlgorithmNotFoundError, match="no algorithm 'image_clasification'") as caught:
        catalog.algorithm("image_clasification")
    assert "Did you mean 'image-classification'?" in caught.value.hint
    assert "linear-regression" in caught.value.hint
