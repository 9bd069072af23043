"""A torch module that was exported to ONNX is a version like others. Run by `make test-torch`."""

import warnings
from pathlib import Path

import numpy as np
import torch

from modelyard.runtimes.bundle import load_bundle, read_compilation, read_golden
from modelyard.runtimes.golden import mismatches
from modelyard.runtimes.inspect import inspect
from modelyard.runtimes.targets.build import build
from modelyard.types.compilation import Target


def exported(path: Path) -> torch.nn.Module:
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(1, 8, 3, padding=1),
        torch.nn.BatchNorm2d(8),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(8 * 64, 128),
        torch.nn.ReLU(),
        torch.nn.Linear(128, 10),
    ).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter that needs no further package announces its successor
        torch.onnx.export(
            module, (torch.zeros(1, 1, 8, 8),), path, dynamo=False, input_names=["images"], output_names=["logits"],
            dynamic_axes={"images": {0: "batch"}, "logits": {0: "batch"}},
        )  # fmt: skip
    return module


def test_an_exported_module_is_measured_served_and_quantised(tmp_path: Path) -> None:
    module, bundle, output = exported(tmp_path / "model.onnx"), tmp_path / "bundle", tmp_path / "int8"
    bundle.mkdir()
    output.mkdir()
    manifest = inspect(tmp_path / "model.onnx", bundle)
    assert manifest.signature.inputs[0].shape == (-1, 1, 8, 8)
    images = np.random.default_rng(0).normal(size=(20, 1, 8, 8)).astype(np.float32)
    with torch.no_grad():
        want = module(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(load_bundle(bundle)[1].predict({"images": images})["logits"], want, atol=1e-4)
    assert mismatches(read_golden(bundle), load_bundle(bundle)[1].predict) == []
    compilation = read_compilation(bundle)
    assert compilation is not None
    assert [timing.batch for timing in compilation.variant("original").timings] == [1, 8, 64]
    made = build(bundle, output, Target.CPU_INT8, 0.2)
    assert made.compilation.variant("onnx-int8").rows > 100
    assert (output / "model.int8.onnx").stat().st_size < (bundle / "model.onnx").stat().st_size / 2
