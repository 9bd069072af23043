"""Forms of real models: those that agree are measured, the fastest is served, and a fault harms nobody."""

import subprocess
import sys
from pathlib import Path

import lightgbm
import numpy as np
import pytest
import skops.io
import xgboost
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.naive_bayes import GaussianNB

from modelyard.runtimes import convert
from modelyard.runtimes.bundle import COMPILATION, load_bundle, read_compilation, read_golden, write_compilation
from modelyard.runtimes.compilation.choice import choose, judged
from modelyard.runtimes.formats.skops import SkopsPredictor
from modelyard.runtimes.golden import mismatches
from modelyard.runtimes.inspect import inspect, main
from modelyard.types.compilation import Compilation, Timing, Variant, VariantState
from modelyard.types.models import ArtifactFormat, Manifest

ROWS, TARGET = load_iris(return_X_y=True)
ROWS = ROWS.astype(np.float32)
CELLS, IS_BENIGN = load_breast_cancer(return_X_y=True)
CELLS = CELLS.astype(np.float32)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    (tmp_path / "bundle").mkdir()
    return tmp_path / "bundle"


def registered(artifact: Path, bundle: Path) -> tuple[Manifest, Compilation]:
    manifest = inspect(artifact, bundle)
    compilation = read_compilation(bundle)
    assert compilation is not None
    return manifest, compilation


def save_lightgbm(objective: str, path: Path) -> lightgbm.Booster:
    settings = {"objective": objective, "verbose": -1, "num_threads": 1} | (
        {"num_class": 3} if objective == "multiclass" else {}
    )
    # Values with two decimals: trees split between them, and rows have exactly the value that is split at.
    data = lightgbm.Dataset(np.round(ROWS, 1), TARGET if objective == "multiclass" else TARGET == 1)
    booster = lightgbm.train(settings, data, 30)
    booster.save_model(path)
    return booster


def save_xgboost(objective: str, path: Path) -> xgboost.Booster:
    settings = {"objective": objective, "nthread": 1} | ({"num_class": 3} if objective.startswith("multi") else {})
    target = TARGET if objective.startswith("multi") else TARGET == 1
    booster = xgboost.train(settings, xgboost.DMatrix(ROWS, target), 30)
    booster.save_model(path.with_suffix(".ubj"))
    path.with_suffix(".ubj").rename(path)
    return booster


@pytest.mark.parametrize("objective", ["binary", "multiclass", "regression"])
def test_lightgbm_is_served_as_onnx(objective: str, tmp_path: Path, bundle: Path) -> None:
    save_lightgbm(objective, tmp_path / "model")
    assert_served_as_onnx(*registered(tmp_path / "model", bundle))


@pytest.mark.parametrize("objective", ["binary:logistic", "multi:softprob", "reg:squarederror"])
def test_xgboost_is_served_as_onnx(objective: str, tmp_path: Path, bundle: Path) -> None:
    save_xgboost(objective, tmp_path / "model")
    assert_served_as_onnx(*registered(tmp_path / "model", bundle))


def assert_served_as_onnx(manifest: Manifest, compilation: Compilation) -> None:
    original, onnx = compilation.variant("original"), compilation.variant("onnx")
    assert original is not None
    assert onnx is not None
    assert manifest.artifact_format is ArtifactFormat.ONNX
    assert compilation.served in ("onnx", "onnx-optimised")
    assert onnx.rows > 500
    for variant in (original, onnx):
        assert [timing.batch for timing in variant.timings] == [1, 8, 64]
        assert all(0 < timing.microseconds < 1e6 for timing in variant.timings)


def test_a_converter_that_rounds_thresholds_up_is_caught_on_the_thresholds_and_not_served(
    tmp_path: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modelyard.runtimes.formats.tree_thresholds.round_thresholds_down", lambda *_: None)
    save_lightgbm("binary", tmp_path / "model")
    manifest, compilation = registered(tmp_path / "model", bundle)
    onnx = compilation.variant("onnx")
    assert onnx is not None
    assert (onnx.state, onnx.artifact) == (VariantState.DIFFERS, "")
    assert "rows at the thresholds of the trees: numbers differ by up to" in onnx.reason
    assert (manifest.artifact_format, compilation.served) == (ArtifactFormat.LIGHTGBM, "original")
    assert not (bundle / "model.onnx").exists()


def test_histogram_boosting_agrees_on_the_values_that_it_was_trained_on(tmp_path: Path, bundle: Path) -> None:
    rows = np.round(CELLS, 1)
    model = HistGradientBoostingClassifier(max_iter=20, random_state=0).fit(rows, IS_BENIGN)
    skops.io.dump(model, tmp_path / "model")
    _, compilation = registered(tmp_path / "model", bundle)
    assert compilation.served == "onnx"
    answer = load_bundle(bundle)[1].predict({"numeric": rows})
    np.testing.assert_allclose(answer["probabilities"], model.predict_proba(rows), atol=1e-5)


def test_a_form_that_32_bits_are_too_few_for_is_served_in_64(tmp_path: Path, bundle: Path) -> None:
    skops.io.dump(GaussianNB().fit(CELLS, IS_BENIGN), tmp_path / "model")
    _, compilation = registered(tmp_path / "model", bundle)
    states = {variant.name: variant.state for variant in compilation.variants}
    assert states["onnx"] is VariantState.DIFFERS
    assert compilation.served == "onnx-float64"
    assert mismatches(read_golden(bundle), load_bundle(bundle)[1].predict) == []


def test_what_the_report_serves_is_what_a_worker_loads(tmp_path: Path, bundle: Path) -> None:
    skops.io.dump(RandomForestClassifier(5, random_state=0).fit(ROWS, TARGET), tmp_path / "model")
    _, compilation = registered(tmp_path / "model", bundle)
    assert not isinstance(load_bundle(bundle)[1], SkopsPredictor)
    write_compilation(bundle, Compilation(served="original", tolerance=1e-5, variants=compilation.variants))
    assert isinstance(load_bundle(bundle)[1], SkopsPredictor)
    (bundle / COMPILATION).unlink()
    assert not isinstance(load_bundle(bundle)[1], SkopsPredictor)


def test_a_worker_that_serves_a_compiled_forest_does_not_import_scikit_learn(tmp_path: Path, bundle: Path) -> None:
    skops.io.dump(RandomForestClassifier(5, random_state=0).fit(ROWS, TARGET), tmp_path / "model")
    registered(tmp_path / "model", bundle)
    code = (
        "import sys, pathlib; from modelyard.runtimes.bundle import load_bundle, read_golden\n"
        "from modelyard.dataplane.model_server import ModelServer\n"
        "from modelyard.runtimes.golden import mismatches\n"
        f"folder = pathlib.Path({str(bundle)!r}); _, predictor = load_bundle(folder)\n"
        "assert mismatches(read_golden(folder), predictor.predict) == []\n"
        "print(sorted({'sklearn', 'scipy', 'skops', 'onnx', 'skl2onnx', 'joblib'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize("fault", [RuntimeError("a converter's own fault"), MemoryError("too large")])
def test_a_converter_that_fails_leaves_the_original_served_and_says_why(
    fault: Exception, tmp_path: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> bytes:
        raise fault

    monkeypatch.setattr(convert, "convert_lightgbm", fail)
    save_lightgbm("binary", tmp_path / "model")
    manifest, compilation = registered(tmp_path / "model", bundle)
    onnx = compilation.variant("onnx")
    assert onnx is not None
    assert onnx.state is VariantState.FAILED
    assert str(fault) in onnx.reason
    assert (manifest.artifact_format, compilation.served) == (ArtifactFormat.LIGHTGBM, "original")
    assert mismatches(read_golden(bundle), load_bundle(bundle)[1].predict) == []


def test_compiling_that_takes_too_long_is_given_up_and_the_original_served(tmp_path: Path, bundle: Path) -> None:
    save_lightgbm("binary", tmp_path / "model")
    options = [f"--artifact={tmp_path / 'model'}", f"--output={bundle}", "--compile-seconds=0.01"]
    assert main(options) == 0
    compilation = read_compilation(bundle)
    assert compilation is not None
    (original,) = compilation.variants
    assert (compilation.served, original.reason) == ("original", "compiling was given up after 0.01 s")
    assert mismatches(read_golden(bundle), load_bundle(bundle)[1].predict) == []


def test_the_child_that_compiles_makes_the_whole_bundle(tmp_path: Path, bundle: Path) -> None:
    save_lightgbm("binary", tmp_path / "model")
    assert main([f"--artifact={tmp_path / 'model'}", f"--output={bundle}", "--compile-seconds=100"]) == 0
    compilation = read_compilation(bundle)
    assert compilation is not None
    assert compilation.variant("onnx") is not None


def timed(name: str, *microseconds: float) -> Variant:
    timings = (Timing(batch=batch, microseconds=value) for batch, value in zip((1, 8, 64), microseconds, strict=True))
    return Variant(name=name, state=VariantState.SLOWER, timings=tuple(timings))


def test_a_simpler_form_within_the_noise_comes_before_a_faster_one() -> None:
    simple, faster, fastest = timed("onnx", 10, 20, 40), timed("onnx-optimised", 9, 17, 34), timed("original", 5, 9, 20)
    assert choose([simple, faster]) == "onnx"
    assert choose([simple, faster, fastest]) == "original"


def test_each_form_says_its_place_beside_the_served_one() -> None:
    served = timed("onnx", 10, 20, 40)
    assert judged(served, served).state is VariantState.SERVED
    assert judged(timed("original", 1000, 2000, 4000), served).reason == "100 times the time of onnx"
    assert judged(timed("onnx-optimised", 9, 19, 39), served).reason == "no faster than onnx, beyond the noise"
