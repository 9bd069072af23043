"""Tree models as a C library: sources, header and a shared library that need nothing but libc and libm.

treelite reads the model, tl2cgen writes the C; both belong to the extra `compile`. The sources are kept beside the
library, so that another compiler can build them for another processor.
"""

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from modelyard.errors import InvalidStateError
from modelyard.runtimes.base import PredictionFailedError, Predictor, Tensor, Tensors
from modelyard.runtimes.compilation.choice import judged
from modelyard.runtimes.compilation.compile import described
from modelyard.runtimes.compilation.thresholds import threshold_rows
from modelyard.runtimes.compilation.timing import machine, time_batches
from modelyard.runtimes.formats.answers import classify, regress
from modelyard.runtimes.parity import check_parity
from modelyard.runtimes.targets.source import Source, TargetUnfitError
from modelyard.types.compilation import Build, Compilation, Target, Variant, VariantState
from modelyard.types.models import ArtifactFormat
from modelyard.types.signatures import Signature

NAME = "c"
LIBRARY = "predictor.so"
_HEADER = "header.h"
_UNITS = 8


class CompilerMissingError(InvalidStateError):
    """The extra `compile` or a C compiler is not installed where the platform runs."""

    code = "compiler_missing"


class CLibraryPredictor(Predictor):
    """The shared library, through tl2cgen. Not thread-safe."""

    def __init__(self, library: Path, signature: Signature) -> None:
        import tl2cgen  # noqa: PLC0415 - an extra

        self._tl2cgen = tl2cgen
        self._library = tl2cgen.Predictor(str(library), nthread=1)
        self._signature = signature

    def predict(self, inputs: Mapping[str, Tensor]) -> Tensors:
        """Label and probabilities, or the prediction."""
        (table,) = inputs.values()
        try:
            values = np.asarray(self._library.predict(self._tl2cgen.DMatrix(table, dtype="float32")))
        except self._tl2cgen.TL2cgenError as error:
            raise PredictionFailedError(error) from error
        values = values.reshape(len(table), -1)
        if not self._signature.class_names:
            return regress(values)
        return classify(self._signature, values if values.shape[1] > 1 else values[:, 0])


def build_c(source: Source, output: Path, tolerance: float) -> Build:
    """Write `predictor.so`, `header.h` and the sources into `output`.

    Raises:
        CompilerMissingError: the extra or gcc is missing.
        TargetUnfitError: the version keeps no tree model, or one that treelite does not know.
    """
    model = _read(source)
    _write_library(model, output)
    source.original.file.unlink()
    signature = source.manifest.signature
    library = CLibraryPredictor(output / LIBRARY, signature)
    parity = check_parity(
        source.original.predictor, library, signature, further=_further_rows(source), tolerance=tolerance
    )
    compiled = Variant(
        name=NAME,
        state=VariantState.SERVED if parity.is_equal else VariantState.DIFFERS,
        reason=parity.note or f"agrees within {tolerance:g}",
        artifact=LIBRARY,
        rows=parity.rows,
        label_mismatches=parity.label_mismatches,
        max_abs_difference=parity.max_abs_difference,
        timings=time_batches(library, signature, source.rows),
    )
    original = replace(
        described(source.original), timings=time_batches(source.original.predictor, signature, source.rows)
    )
    original = replace(judged(original, compiled), artifact="", artifact_format="")
    summary = (
        f"A C library for this processor: {LIBRARY} with {_HEADER}, and its sources for any other. Call predict() with "
        f"one row of union Entry, 0, and room for the result. Its times here include the way through Python."
    )
    compilation = Compilation(
        served=NAME if parity.is_equal else original.name,
        tolerance=tolerance,
        machine=machine(),
        variants=(original, compiled),
    )
    return Build(target=Target.C, is_bundle=False, summary=summary, compilation=compilation)


def _further_rows(source: Source) -> dict[str, Tensors]:
    """Golden rows, and those at the thresholds of the trees where an ONNX form tells them."""
    further = {"golden rows": source.rows}
    if source.manifest.artifact_format is ArtifactFormat.ONNX:
        rows = threshold_rows(source.portable, source.manifest.signature)
        further |= {"rows at the thresholds of the trees": rows} if rows is not None else {}
    return further


def _read(source: Source) -> Any:
    """The trees, as a treelite model."""
    try:
        import treelite  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise CompilerMissingError(
            "the target c needs treelite and tl2cgen, which are not installed",
            hint="Install modelyard[compile] where the platform runs.",
        ) from error
    original = source.original
    readers: dict[ArtifactFormat, Callable[[], Any]] = {
        ArtifactFormat.XGBOOST: lambda: _xgboost(treelite, original.file),
        ArtifactFormat.LIGHTGBM: lambda: treelite.frontend.load_lightgbm_model(original.file),
        ArtifactFormat.SKOPS: lambda: _sklearn(treelite, original.file),
    }
    if original.format not in readers:
        raise TargetUnfitError(
            f"the version keeps its model as {original.format}, the target c takes the trees of scikit-learn, XGBoost "
            "and LightGBM",
            hint="Register the library's own file (skops, UBJ, JSON or text), or use the target cpu.",
        )
    try:
        return readers[original.format]()
    except treelite.TreeliteError as error:
        raise _unfit(error) from error
    except (TypeError, ValueError, AttributeError, KeyError) as error:  # a scikit-learn estimator that is no tree
        raise _unfit(error) from error


def _xgboost(treelite: Any, file: Path) -> Any:
    from modelyard.runtimes.formats.xgboost import open_booster  # noqa: PLC0415 - 0.5 s

    return treelite.frontend.from_xgboost(open_booster(file))


def _sklearn(treelite: Any, file: Path) -> Any:
    from modelyard.runtimes.formats.skops import open_estimator  # noqa: PLC0415 - 2 s

    return treelite.sklearn.import_model(open_estimator(file))


def _write_library(model: Any, output: Path) -> None:
    import tl2cgen  # noqa: PLC0415 - an extra

    if shutil.which("gcc") is None:
        raise CompilerMissingError("the target c needs a C compiler, and there is no gcc", hint="apt install gcc")
    tl2cgen.generate_c_code(model, dirpath=str(output), params={"parallel_comp": _UNITS, "quantize": 0})
    made = Path(tl2cgen.create_shared(toolchain="gcc", dirpath=str(output), nthread=os.cpu_count() or 1))
    if made.name != LIBRARY:
        made.rename(output / LIBRARY)
    for part in output.glob("*.o"):
        part.unlink()


def _unfit(error: Exception) -> TargetUnfitError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
    return TargetUnfitError(
        f"treelite does not read this model: {reason}",
        hint="The target c takes single tree models; others have the target cpu.",
    )
