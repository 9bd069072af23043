"""Runs only where PyTorch is installed (see conftest.py)."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from modelyard.runtimes.base import ArtifactInvalidError
from modelyard.runtimes.bundle import load_bundle
from modelyard.runtimes.foreign.inspect import inspect_program
from modelyard.types.models import ArtifactFormat

ROWS = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)


class Network(torch.nn.Module):
    """Two outputs of a small layer."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = torch.nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        scores = self.layer(x)
        return scores, scores.argmax(dim=1)


def write_signature(folder: Path) -> None:
    x = {"name": "x", "datatype": "FP32", "shape": [-1, 4]}
    outputs = [
        {"name": "scores", "datatype": "FP32", "shape": [-1, 2]},
        {"name": "best", "datatype": "INT64", "shape": [-1]},
    ]
    (folder / "signature.json").write_text(json.dumps({"inputs": [x], "outputs": outputs, "is_pure": True}))


def save_exported(network: Network, folder: Path) -> None:
    batch = torch.export.Dim("batch", min=1, max=4096)
    example = (torch.from_numpy(ROWS),)
    program = torch.export.export(network, example, dynamic_shapes={"x": {0: batch}})
    torch.export.save(program, folder / "model.pt2")


def save_script(network: Network, folder: Path) -> None:
    torch.jit.trace(network, torch.from_numpy(ROWS), check_trace=False).save(folder / "model.pt")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch.jit is announced to go, and is what people have
@pytest.mark.parametrize("save", [save_exported, save_script])
def test_a_torch_program_is_completed_and_answers_as_the_module_does(tmp_path: Path, save):
    network = Network().eval()
    save(network, tmp_path)
    write_signature(tmp_path)
    manifest = inspect_program(tmp_path)
    assert (manifest.artifact_format, manifest.is_pure) == (ArtifactFormat.TORCH, True)
    predictor = load_bundle(tmp_path)[1]
    with torch.inference_mode():
        scores, best = network(torch.from_numpy(ROWS))
    for rows in (1, 9):
        answer = predictor.predict({"x": ROWS[:rows]})
        np.testing.assert_allclose(answer["scores"], scores[:rows].numpy(), atol=1e-6)
        assert answer["best"].tolist() == best[:rows].tolist()
    predictor.close()


def test_a_damaged_file_is_refused_with_torchs_reason(tmp_path: Path):
    (tmp_path / "model.pt2").write_bytes(b"PK\x03\x04 not a model")
    write_signature(tmp_path)
    with pytest.raises(ArtifactInvalidError, match=r"load\(\) failed"):
        inspect_program(tmp_path)
