"""A bundle whose artifact is the estimator itself: what registration makes where a model has no ONNX form."""

import shutil
from pathlib import Path

from modelyard.runtimes.bundle import write_environment_lock, write_golden, write_manifest
from modelyard.runtimes.catalog import runtime_for
from modelyard.runtimes.golden import make_golden
from modelyard.runtimes.parity import synthetic_inputs
from modelyard.types.models import ArtifactFormat, Manifest, ModelCard, Task

_GOLDEN_ROWS = 16


def bundle_of_estimator(skops_file: Path, folder: Path) -> Path:
    """Write it into `folder`."""
    folder.mkdir(parents=True)
    target = folder / "model.skops"
    shutil.copyfile(skops_file, target)
    runtime = runtime_for(ArtifactFormat.SKOPS)
    signature = runtime.infer_signature(target)
    predictor = runtime.load(target, signature, threads=1)
    write_golden(folder, make_golden(predictor, synthetic_inputs(signature, _GOLDEN_ROWS)))
    write_environment_lock(folder)
    manifest = Manifest(
        artifact=target.name,
        artifact_format=ArtifactFormat.SKOPS,
        signature=signature,
        card=ModelCard(task=Task.TABULAR_CLASSIFICATION),
        is_pure=runtime.is_pure,
    )
    write_manifest(folder, manifest)
    return folder
