"""Completes the folder of a program to a bundle: golden requests, manifest, environment lock.

    python -m modelyard.runtimes.foreign.inspect --output DIR [--python INTERPRETER]

Exit code 0: DIR is a bundle. 1: it is refused, DIR/error.json has `code`, `message` and `hint`. This runs the program:
only ever in a sandbox without network.
"""

import argparse
import sys
from contextlib import closing
from pathlib import Path

from modelyard.errors import ModelyardError
from modelyard.runtimes.base import ArtifactInvalidError, Predictor, Tensors
from modelyard.runtimes.bundle import GOLDEN, read_golden, write_environment_lock, write_golden, write_manifest
from modelyard.runtimes.catalog import runtime_for
from modelyard.runtimes.foreign.kinds import LOCK, PROGRAM_FILES, program_format
from modelyard.runtimes.foreign.runtime import ProgramRuntime
from modelyard.runtimes.golden import make_golden, mismatches
from modelyard.runtimes.parity import synthetic_inputs
from modelyard.runtimes.reporting import reported
from modelyard.types.models import Manifest, ModelCard, Task
from modelyard.types.serving.bodies import takes_bodies
from modelyard.types.signatures import Signature
from modelyard.types.tensors import GoldenSet

_GOLDEN_ROWS = 16


def inspect_program(bundle: Path, *, python: Path | None = None) -> Manifest:
    """Write what is missing of a bundle into the folder of a program.

    Raises:
        ArtifactInvalidError: it does not load, or gives no repeatable answers.
    """
    present = {path.name for path in bundle.iterdir()}
    kind = program_format(present)
    if kind is None:
        raise ArtifactInvalidError("the folder holds no program", hint=f"It needs one of: {', '.join(PROGRAM_FILES)}.")
    artifact = next(bundle / name for name, own in PROGRAM_FILES.items() if own is kind and name in present)
    runtime = runtime_for(kind)
    if not isinstance(runtime, ProgramRuntime):
        raise TypeError(f"{kind} is no runtime of programs")
    runtime.python = python or runtime.python
    signature = runtime.infer_signature(artifact)
    with closing(runtime.load(artifact, signature)) as predictor:
        if takes_bodies(signature) and not (bundle / GOLDEN).exists():
            write_golden(bundle, GoldenSet(requests=()))  # nobody else can make a body that the program takes
        else:
            _complete_golden(bundle, predictor, signature)
    if not (bundle / LOCK).exists():
        write_environment_lock(bundle)
    manifest = Manifest(
        artifact=artifact.name,
        artifact_format=kind,
        signature=signature,
        card=ModelCard(
            task=Task.OTHER,
            description=f"Registered from the folder of a program ({kind}).",
            limitations="No quality is known: the model came without measurements.",
            custom=runtime.facts(artifact),
        ),
        is_pure=runtime.is_declared_pure(artifact),
    )
    write_manifest(bundle, manifest)
    return manifest


def _complete_golden(bundle: Path, predictor: Predictor, signature: Signature) -> None:
    """Check the golden requests that came along, or make some on synthetic rows."""
    if (bundle / GOLDEN).exists():
        golden = read_golden(bundle)
    else:
        golden = make_golden(predictor, _answerable(predictor, signature))
        write_golden(bundle, golden)
    wrong = mismatches(golden, predictor.predict)
    if wrong:
        raise ArtifactInvalidError(
            f"the program does not repeat its own answers: {wrong[0]}",
            hint="Seed what is random in it, or give golden.json with requests whose answers are fixed.",
        )


def _answerable(predictor: Predictor, signature: Signature) -> Tensors:
    """Rows that the program answers: random ones, else zeros."""
    random = synthetic_inputs(signature, _GOLDEN_ROWS)
    zeros = {name: array if array.dtype.kind == "O" else array * 0 for name, array in random.items()}
    failure = ""
    for candidate in (random, zeros):
        try:
            predictor.predict(candidate)
        except ModelyardError as error:
            failure = error.message
        else:
            return candidate
    raise ArtifactInvalidError(
        f"the program answers no request made from its own signature: {failure}",
        hint="Correct signature.json, or add golden.json with requests of your own and their answers.",
    )


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m modelyard.runtimes.foreign.inspect", description=__doc__)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--python", type=Path)
    options = parser.parse_args(arguments)
    return reported(
        lambda: inspect_program(options.output, python=options.python), options.output, "inspection of the program"
    )


if __name__ == "__main__":
    sys.exit(main())
