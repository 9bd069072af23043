"""From an original to a choice: forms made, proven, timed. Nothing that fails here keeps a model from being served."""

from dataclasses import dataclass, replace
from pathlib import Path

from modelyard.errors import ModelyardError
from modelyard.runtimes.base import Predictor, Tensors
from modelyard.runtimes.compilation.choice import choose, judged
from modelyard.runtimes.compilation.forms import (
    FLOAT64_FILE,
    ONNX_FILE,
    OPTIMISED_FILE,
    Form,
    Maker,
    converter,
    make_form,
    optimiser,
)
from modelyard.runtimes.compilation.thresholds import threshold_rows
from modelyard.runtimes.compilation.timing import machine, time_batches
from modelyard.runtimes.parity import check_parity, extreme_inputs
from modelyard.types.compilation import Compilation, Variant, VariantState
from modelyard.types.models import ArtifactFormat, Parity
from modelyard.types.signatures import Signature

TOLERANCE = 1e-5
_KNOWN_ROWS = 500
ORIGINAL, ONNX, FLOAT64, OPTIMISED = "original", "onnx", "onnx-float64", "onnx-optimised"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """The outcome. `form` is the simplest that agrees: which one it is hangs on no clock.

    Attributes:
        form: what the manifest names as the artifact.
        parity: how the ONNX form compares with the original; None for an original in ONNX.
        compilation: every form that was tried, and which of them is served.
    """

    form: Form
    parity: Parity | None
    compilation: Compilation


def compile_original(original: Form, signature: Signature, rows: Tensors, *, tolerance: float = TOLERANCE) -> Compiled:
    """Make the other forms beside `original`, compare and measure them.

    Args:
        original: as it was registered; the others are written into its folder, those that agree stay there.
        signature: of all forms.
        rows: some that the original answers; real ones, best of all.
        tolerance: how far a number may differ: absolute, and relative above 1.
    """
    trial = _Trial(original, signature, rows, tolerance)
    if original.format is ArtifactFormat.ONNX:
        trial.attempt(OPTIMISED, OPTIMISED_FILE, optimiser(original.file))
        return trial.outcome(simplest_first=[ORIGINAL, OPTIMISED])
    trial.attempt(ONNX, ONNX_FILE, converter(original, signature))
    if trial.differs(ONNX) and original.format is ArtifactFormat.SKOPS:
        trial.attempt(FLOAT64, FLOAT64_FILE, converter(original, signature, is_double=True))
    source = trial.agreeing(ONNX) or trial.agreeing(FLOAT64)
    if source is not None:
        trial.attempt(OPTIMISED, OPTIMISED_FILE, optimiser(source.file))
    return trial.outcome(simplest_first=[ONNX, FLOAT64, OPTIMISED, ORIGINAL])


class _Trial:
    """The forms of one model, as they are tried."""

    def __init__(self, original: Form, signature: Signature, rows: Tensors, tolerance: float) -> None:
        self._original = original
        self._signature = signature
        self._rows = rows
        self._tolerance = tolerance
        self._forms = {ORIGINAL: original}
        self._parities: dict[str, Parity] = {}
        self._variants = {ORIGINAL: self._timed(described(original), original)}

    def attempt(self, name: str, file: str, make: Maker) -> None:
        """Make a form, compare it, and measure it if it agrees; otherwise its file goes."""
        form = make_form(name, self._original.file.parent / file, self._signature, make)
        if isinstance(form, str):
            state = VariantState.SKIPPED if name == OPTIMISED else VariantState.FAILED
            self._variants[name] = Variant(name=name, state=state, reason=form)
            return
        parity = self._compared(form)
        self._parities[name] = parity
        variant = replace(
            described(form),
            rows=parity.rows,
            label_mismatches=parity.label_mismatches,
            max_abs_difference=parity.max_abs_difference,
        )
        if parity.is_equal:
            self._forms[name] = form
            self._variants[name] = self._timed(variant, form)
        else:
            form.file.unlink()
            self._variants[name] = replace(
                variant, state=VariantState.DIFFERS, reason=parity.note, artifact="", artifact_format=""
            )

    def agreeing(self, name: str) -> Form | None:
        """A form that was made and agrees."""
        return self._forms.get(name)

    def differs(self, name: str) -> bool:
        """True if a form was made and does not agree."""
        return self._variants[name].state is VariantState.DIFFERS

    def outcome(self, simplest_first: list[str]) -> Compiled:
        """The choice among the forms that agree."""
        usable = [
            self._variants[name] for name in simplest_first if name in self._forms and self._variants[name].timings
        ]
        served = self._variants[choose(usable)] if usable else self._variants[ORIGINAL]
        variants = [judged(variant, served) if variant in usable else variant for variant in self._variants.values()]
        compilation = Compilation(
            served=served.name, tolerance=self._tolerance, machine=machine(), variants=tuple(variants)
        )
        form = next(self._forms[name] for name in simplest_first if name in self._forms)
        parity = self._parities.get(form.name) or self._parities.get(ONNX) or self._without_form()
        return Compiled(form=form, parity=parity, compilation=compilation)

    def _without_form(self) -> Parity | None:
        """Why there is no ONNX form."""
        variant = self._variants.get(ONNX)
        if variant is None:
            return None
        return Parity(is_equal=False, rows=0, label_mismatches=0, max_abs_difference=0.0, note=variant.reason)

    def _compared(self, form: Form) -> Parity:
        return check_parity(
            self._original.predictor,
            form.predictor,
            self._signature,
            further=further_rows(form.file, self._signature, self._rows, self._original.predictor),
            tolerance=self._tolerance,
        )

    def _timed(self, variant: Variant, form: Form) -> Variant:
        try:
            return replace(variant, timings=time_batches(form.predictor, self._signature, self._rows))
        except ModelyardError as error:
            return replace(variant, reason=f"not measured: {error.message}")


def further_rows(
    onnx_file: Path, signature: Signature, golden: Tensors, original: Predictor | None = None
) -> dict[str, Tensors]:
    """What a form is compared on beside the edge and random rows of every comparison."""
    further = {"golden rows": golden, "rows of extreme values": extreme_inputs(signature)}
    known = original.examples(_KNOWN_ROWS, seed=1) if original is not None else None
    if known is not None:
        further["rows of known values"] = known
    on_thresholds = threshold_rows(onnx_file, signature)
    return further if on_thresholds is None else {**further, "rows at the thresholds of the trees": on_thresholds}


def described(form: Form) -> Variant:
    """A form that agrees, before it is known how it compares."""
    return Variant(name=form.name, state=VariantState.SLOWER, artifact=form.file.name, artifact_format=form.format)
