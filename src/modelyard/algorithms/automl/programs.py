"""Writes the program that trains a winner anew."""

import pprint
from collections.abc import Mapping

import msgspec

from modelyard import __version__
from modelyard.types.jobs import JobRecipe
from modelyard.types.models import DataReference
from modelyard.types.signatures import Scalar

_PROGRAM = '''"""Trains a model that AutoML has found anew: {algorithm}.

    python train.py {dataset}.{format} [FOLDER]

The data is version {number} of the dataset '{dataset}' (SHA-256 {digest}):
    modelyard datasets download {dataset}:{number}
With modelyard {version} and the same packages, model.onnx is the same to the byte.
"""

import sys
from pathlib import Path

from modelyard.algorithms.base import Channel
from modelyard.algorithms.jobfile import JOB_FILE, OUTPUT_FOLDER, JobFile
from modelyard.algorithms.run import run
from modelyard.kit.files import sha256_file
from modelyard.types.datasets import DatasetFormat
from modelyard.types.jobs import DatasetRef, JobRecipe
from modelyard.types.models import DataReference

ALGORITHM = {algorithm!r}
TARGET = {target!r}
SEED, THREADS = {seed}, {threads}
HYPERPARAMETERS = {hyperparameters}
DATA = DataReference(
    project={project!r},
    dataset={dataset!r},
    number={number},
    digest={digest!r},
)


def main(data: Path, folder: Path) -> None:
    if sha256_file(data) != DATA.digest:
        print(f"note: {{data}} is not the data that the model was made from", file=sys.stderr)
    recipe = JobRecipe(
        algorithm=ALGORITHM,
        hyperparameters=HYPERPARAMETERS,
        channels={{"train": DatasetRef(dataset=DATA.dataset, number=DATA.number)}},
        target=TARGET,
        seed=SEED,
    )
    channel = Channel(path=data.resolve(), format=DatasetFormat({format!r}), reference=DATA)
    folder.mkdir(parents=True, exist_ok=True)
    job = JobFile(recipe=recipe, channels={{"train": channel}}, threads=THREADS)
    (folder / JOB_FILE).write_bytes(job.to_json())
    run(folder)
    print(f"The model is in {{folder / OUTPUT_FOLDER}}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else "trained"))
'''


def write_program(
    algorithm: str,
    given: Mapping[str, Scalar],
    recipe: JobRecipe,
    reference: DataReference,
    data_format: str,
    threads: int,
) -> str:
    """The text of `train.py`."""
    return _PROGRAM.format(
        algorithm=algorithm,
        hyperparameters=pprint.pformat(msgspec.to_builtins(dict(given)), width=110, sort_dicts=False),
        target=recipe.target,
        seed=recipe.seed,
        threads=threads,
        project=reference.project,
        dataset=reference.dataset,
        number=reference.number,
        digest=reference.digest,
        format=data_format,
        version=__version__,
    )
