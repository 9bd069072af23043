"""Runs a built-in algorithm of AWS's on files, as a training job does, without a platform around it."""

import io
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.contract.train import main


def csv(features: NDArray[np.float32], labels: NDArray[np.float32] | None) -> bytes:
    """Rows as AWS's algorithms take them: no header, the label first."""
    content = io.BytesIO()
    whole = features if labels is None else np.column_stack([labels, features])
    np.savetxt(content, whole, delimiter=",", fmt="%.9g")
    return content.getvalue()


def train(
    root: Path,
    name: str,
    hyperparameters: Mapping[str, object],
    channels: Mapping[str, Mapping[str, bytes]],
    content_type: str = "text/csv",
    **others: str,
) -> int:
    """Run an algorithm on files of channels; its exit code.

    Args:
        root: in place of /opt/ml.
        name: of the algorithm.
        hyperparameters: become texts, as a request has them.
        channels: channel -> path -> content.
        content_type: of all channels but those in `others`.
        **others: content types of some channels.
    """
    for folder in ("input/config", "output", "model"):
        (root / folder).mkdir(parents=True)
    told = {channel: {"ContentType": others.get(channel, content_type)} for channel in channels}
    texts = {parameter: str(value) for parameter, value in hyperparameters.items()}
    for file, content in (("inputdataconfig", told), ("hyperparameters", texts)):
        (root / "input" / "config" / f"{file}.json").write_text(json.dumps(content), encoding="utf-8")
    for channel, files in channels.items():
        for path, data in files.items():
            target = root / "input" / "data" / channel / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
    return main(name, root)


def answers(root: Path, inputs: NDArray[np.generic], name: str = "features") -> dict[str, NDArray[np.generic]]:
    """Every output of the model that was left, by its name."""
    import onnxruntime  # noqa: PLC0415 - heavy

    session = onnxruntime.InferenceSession(str(root / "model" / "model.onnx"), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {name: inputs}), strict=True))


def failure(root: Path) -> str:
    """What the algorithm told about its failure."""
    return (root / "output" / "failure").read_text(encoding="utf-8")
