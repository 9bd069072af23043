"""What becomes of a model: does its ONNX form agree? The same gate as at registration, without the clock."""

import io
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import skops.io
from recipes import NO_TABLE, PIPELINES, fitted

from modelyard.errors import ModelyardError
from modelyard.runtimes.base import Predictor, Tensors
from modelyard.runtimes.catalog import runtime_for
from modelyard.runtimes.compilation.compile import TOLERANCE, further_rows
from modelyard.runtimes.convert import convert_estimator
from modelyard.runtimes.formats.skops import trusted_types
from modelyard.runtimes.parity import check_parity
from modelyard.types.models import ArtifactFormat
from modelyard.types.signatures import Signature

AGREES, DIFFERS, UNCONVERTED, NO_ANSWER = "agrees", "differs", "does not convert", "no table model"
_FORMS = {"onnx": False, "onnx-float64": True}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One line of the table. `is_file` says whether a skops file of it can be registered."""

    name: str
    state: str
    form: str = ""
    note: str = ""
    is_file: bool = False


def outcome(name: str) -> Outcome:
    """Fit, convert, compare."""
    if name in NO_TABLE:
        return Outcome(name=name, state=NO_ANSWER, note=NO_TABLE[name])
    with warnings.catch_warnings():  # deprecated estimators, solvers that stop early: none of it is about the forms
        warnings.simplefilter("ignore")
        try:
            original, estimator, signature, rows = PIPELINES[name]() if name in PIPELINES else fitted(name)
        except ModelyardError as error:
            return Outcome(name=name, state=NO_ANSWER, note=error.message)
        is_file = name not in PIPELINES and _can_be_a_file(estimator)
        return _best(name, original, estimator, signature, rows, is_file)


def _best(
    name: str, original: Predictor, estimator: Any, signature: Signature, rows: Tensors, is_file: bool
) -> Outcome:
    found = Outcome(name=name, state=UNCONVERTED, is_file=is_file)
    for form, is_double in _FORMS.items():
        state, note = _tried(original, estimator, signature, rows, is_double)
        if state == AGREES:
            return Outcome(name=name, state=AGREES, form=form, note=note, is_file=is_file)
        if form == "onnx":
            found = Outcome(name=name, state=state, note=note, is_file=is_file)
        if state == UNCONVERTED:
            break
    return found


def _tried(
    original: Predictor, estimator: Any, signature: Signature, rows: Tensors, is_double: bool
) -> tuple[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.onnx"
        try:
            file.write_bytes(convert_estimator(estimator, signature, is_double=is_double))
            form = runtime_for(ArtifactFormat.ONNX).load(file, signature)
        except ModelyardError as error:
            return UNCONVERTED, error.message
        further = further_rows(file, signature, rows)
        parity = check_parity(original, form, signature, further=further, tolerance=TOLERANCE)
    note = f"{parity.max_abs_difference:.1e} on {parity.rows} rows" if parity.is_equal else parity.note
    return (AGREES if parity.is_equal else DIFFERS), note


def _can_be_a_file(estimator: Any) -> bool:
    target = io.BytesIO()
    skops.io.dump(estimator, target)
    return not set(skops.io.get_untrusted_types(data=target.getvalue())) - trusted_types()
