"""What a version can be compiled to later, from real bundles."""

import ctypes
import shutil
from pathlib import Path

import lightgbm
import numpy as np
import onnxruntime
import pytest
import skops.io
import xgboost
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.neural_network import MLPClassifier

from modelyard.runtimes.bundle import load_bundle, read_golden, read_manifest, write_golden
from modelyard.runtimes.golden import make_golden, mismatches
from modelyard.runtimes.inspect import inspect
from modelyard.runtimes.targets.build import build, main
from modelyard.runtimes.targets.c_library import LIBRARY
from modelyard.runtimes.targets.source import TargetUnfitError
from modelyard.types.compilation import Target, VariantState

IMAGES, DIGITS = load_digits(return_X_y=True)
IMAGES = IMAGES.astype(np.float32)


def bundle_of(artifact: Path) -> Path:
    """A bundle whose golden requests are real images."""
    folder = artifact.parent / "bundle"
    folder.mkdir()
    inspect(artifact, folder)
    write_golden(folder, make_golden(load_bundle(folder)[1], {"numeric": IMAGES}))
    return folder


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("network")
    model = MLPClassifier((64,), max_iter=200, tol=1e-2, n_iter_no_change=3, random_state=0).fit(IMAGES, DIGITS)
    skops.io.dump(model, folder / "artifact")
    return bundle_of(folder / "artifact")


@pytest.fixture(scope="module")
def forest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("forest")
    skops.io.dump(RandomForestClassifier(5, max_depth=6, random_state=0).fit(IMAGES, DIGITS), folder / "artifact")
    return bundle_of(folder / "artifact")


@pytest.fixture
def output(tmp_path: Path) -> Path:
    (tmp_path / "output").mkdir()
    return tmp_path / "output"


def test_cpu_makes_the_same_version_again(forest: Path, output: Path) -> None:
    made = build(forest, output, Target.CPU, 1e-5)
    assert made.is_bundle
    for name in ("manifest.json", "golden.json", "model.onnx", "original.skops", "environment.lock"):
        assert (output / name).read_bytes() == (forest / name).read_bytes(), name
    assert mismatches(read_golden(output), load_bundle(output)[1].predict) == []


def test_int8_is_a_bundle_only_within_the_tolerance_that_the_caller_gives(
    network: Path, output: Path, tmp_path: Path
) -> None:
    strict = build(network, output, Target.CPU_INT8, 1e-5)
    variant = strict.compilation.variant("onnx-int8")
    assert variant is not None
    assert (strict.is_bundle, variant.state) == (False, VariantState.DIFFERS)
    assert "golden rows" in variant.reason
    assert not (output / "manifest.json").exists()

    loose = tmp_path / "loose"
    loose.mkdir()
    # Two probabilities that each move by the largest difference may change places at twice that.
    made = build(network, loose, Target.CPU_INT8, variant.max_abs_difference * 2.1)
    assert made.is_bundle
    assert (loose / "model.int8.onnx").stat().st_size < (network / "model.onnx").stat().st_size / 2
    manifest, predictor = load_bundle(loose)
    assert "quantised to 8 bits" in manifest.card.findings[-1]
    assert mismatches(read_golden(loose), predictor.predict) == []
    images = {"numeric": IMAGES[:200]}
    accuracy = (predictor.predict(images)["label"] == DIGITS[:200]).mean()
    assert accuracy > (load_bundle(network)[1].predict(images)["label"] == DIGITS[:200]).mean() - 0.02


def test_trees_have_nothing_to_quantise(forest: Path, output: Path) -> None:
    with pytest.raises(TargetUnfitError, match="no weights that 8 bits could hold"):
        build(forest, output, Target.CPU_INT8, 0.1)


@pytest.mark.parametrize("target", [Target.CUDA, Target.ARM64])
def test_other_hardware_gets_the_portable_file_and_is_told_so(target: Target, forest: Path, output: Path) -> None:
    made = build(forest, output, target, 1e-5)
    assert not made.is_bundle
    assert "Nothing was measured" in made.summary
    assert ("no CUDA kernels" in made.summary) == (target is Target.CUDA)
    assert sorted(path.name for path in output.iterdir()) == ["build.json", "model.onnx"]
    session = onnxruntime.InferenceSession(output / "model.onnx", providers=["CPUExecutionProvider"])
    assert (
        session.run(["label"], {"numeric": IMAGES[:50]})[0].tolist()
        == load_bundle(forest)[1].predict({"numeric": IMAGES[:50]})["label"].tolist()
    )


C_TYPES = {b"float32": ctypes.c_float, b"float64": ctypes.c_double}


def call_c(library: Path, row: np.ndarray, width: int) -> list[float]:
    """One row through the C interface itself, as a program on a device calls it."""
    code = ctypes.CDLL(str(library))
    code.get_threshold_type.restype = code.get_leaf_output_type.restype = ctypes.c_char_p
    number = C_TYPES[code.get_threshold_type()]

    class Entry(ctypes.Union):
        _fields_ = (("missing", ctypes.c_int), ("fvalue", number))

    result = (C_TYPES[code.get_leaf_output_type()] * width)()
    code.predict((Entry * len(row))(*[Entry(fvalue=float(value)) for value in row]), 0, result)
    return list(result)


@pytest.mark.parametrize("kind", ["forest", "lightgbm", "xgboost"])
def test_c_makes_a_library_that_answers_as_the_original(kind: str, forest: Path, output: Path, tmp_path: Path) -> None:
    bundle = forest if kind == "forest" else bundle_of(boosted(kind, tmp_path))
    made = build(bundle, output, Target.C, 1e-5)
    variant = made.compilation.variant("c")
    assert variant is not None
    assert variant.state is VariantState.SERVED, variant.reason
    assert variant.rows > 500
    assert {"predictor.so", "header.h", "main.c"} <= {path.name for path in output.iterdir()}
    want = load_bundle(bundle)[1].predict({"numeric": IMAGES[:1]})["probabilities"][0]
    np.testing.assert_allclose(call_c(output / LIBRARY, IMAGES[0], 10), want, atol=1e-5)


def boosted(kind: str, folder: Path) -> Path:
    target = folder / "artifact"
    if kind == "lightgbm":
        settings = {"objective": "multiclass", "num_class": 10, "verbose": -1, "num_threads": 1, "num_leaves": 7}
        lightgbm.train(settings, lightgbm.Dataset(IMAGES, DIGITS), 5).save_model(target)
    else:
        settings = {"objective": "multi:softprob", "num_class": 10, "nthread": 1, "max_depth": 3}
        xgboost.train(settings, xgboost.DMatrix(IMAGES, DIGITS), 5).save_model(folder / "model.ubj")
        (folder / "model.ubj").rename(target)
    return target


def test_c_takes_no_network(network: Path, output: Path) -> None:
    with pytest.raises(TargetUnfitError, match="treelite does not read this model"):
        build(network, output, Target.C, 1e-5)


def test_the_command_writes_why_it_did_nothing(forest: Path, output: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(forest, bare)
    (bare / "golden.json").unlink()
    assert main([f"--bundle={bare}", f"--output={output}", "--target=cpu", "--tolerance=1e-5"]) == 1
    assert "no golden requests" in (output / "error.json").read_text()
    assert read_manifest(bare) == read_manifest(forest)
