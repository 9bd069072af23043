"""The data sets of the nannyml wheel: reference and later traffic of a model, with its answers and the late truth.

The wheel is fetched from PyPI (its digest is pinned), its CSV files are read, and nothing of it is imported.
"""

import csv
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from benchmarks.serving.places import CACHE, REPOSITORY

from modelyard.types.signatures import DataType, Signature, TensorSpec

WHEEL = "nannyml==0.13.1 --hash=sha256:cf5f4a33489834ae6773cb1baa33a0f98c0a3ee6ed9b43049478b25ce22fe869"
_FOLDER = CACHE / "nannyml-0.13.1"
_DATA = Path("nannyml", "datasets", "data")


@dataclass(frozen=True)
class Source:
    """Files of one set and what their columns are.

    Attributes:
        scores: columns with the probability of each class, in the order of `classes`; of one, that of class "1". None:
            a regression.
        features: the columns that the model saw.
    """

    reference: str
    analysis: str
    truth: str
    target: str
    features: tuple[str, ...]
    scores: tuple[str, ...]
    classes: tuple[str, ...] = ("0", "1")


@dataclass(frozen=True)
class Part:
    """Rows of one period: tensors as the platform would have captured them, and the truth."""

    inputs: dict[str, np.ndarray]
    outputs: dict[str, np.ndarray]
    truth: np.ndarray

    @property
    def rows(self) -> int:
        return len(self.truth)

    @property
    def right(self) -> np.ndarray:
        return self.outputs["label"].astype(str) == self.truth.astype(str)

    def slice(self, start: int, stop: int) -> "Part":
        return Part(
            {name: tensor[start:stop] for name, tensor in self.inputs.items()},
            {name: tensor[start:stop] for name, tensor in self.outputs.items()},
            self.truth[start:stop],
        )

    @property
    def errors(self) -> np.ndarray:
        """Of a regression."""
        return self.outputs["prediction"].astype(np.float64) - self.truth.astype(np.float64)


_CAR = ("car_value", "salary_range", "debt_to_income_ratio", "loan_length", "repaid_loan_on_prev_car")
SETS = {
    "car loan": Source(
        "synthetic_car_loan_reference",
        "synthetic_car_loan_analysis",
        "synthetic_car_loan_analysis_target",
        "repaid",
        (*_CAR, "size_of_downpayment", "driver_tenure"),
        ("y_pred_proba",),
    ),
    "car loan, damaged": Source(
        "synthetic_car_loan_dq_reference",
        "synthetic_car_loan_dq_analysis",
        "synthetic_car_loan_analysis_target",
        "repaid",
        (*_CAR, "size_of_downpayment", "driver_tenure"),
        ("y_pred_proba",),
    ),
    "work from home": Source(
        "synthetic_sample_reference",
        "synthetic_sample_analysis",
        "synthetic_sample_analysis_gt",
        "work_home_actual",
        (
            *("distance_from_office", "salary_range", "gas_price_per_litre", "public_transportation_cost"),
            *("wfh_prev_workday", "workday", "tenure"),
        ),
        ("y_pred_proba",),
    ),
    "credit cards": Source(
        "mc_reference",
        "mc_analysis",
        "mc_analysis_gt",
        "y_true",
        (
            *("acq_channel", "app_behavioral_score", "requested_credit_limit", "app_channel"),
            *("credit_bureau_score", "stated_income", "is_customer"),
        ),
        ("y_pred_proba_prepaid_card", "y_pred_proba_highstreet_card", "y_pred_proba_upmarket_card"),
        ("prepaid_card", "highstreet_card", "upmarket_card"),
    ),
}
CAR_PRICE = Source(
    "regression_synthetic_reference",
    "regression_synthetic_analysis",
    "regression_synthetic_analysis_targets",
    "y_true",
    ("car_age", "km_driven", "price_new", "accident_count", "door_count", "fuel", "transmission"),
    scores=(),
)
"""What a used car costs: the set for errors, not for verdicts."""


def load(source: Source) -> tuple[Signature, Part, Part]:
    """Signature, reference and analysis of a set."""
    before, later = _rows(source.reference), _rows(source.analysis)
    truths = {row["id"]: row[source.target] for row in _rows(source.truth)}
    numbers = [column for column in source.features if _is_number(before, column)]
    texts = [column for column in source.features if column not in numbers]
    signature = Signature(
        inputs=(
            TensorSpec(name="numeric", datatype=DataType.FP32, shape=(-1, len(numbers)), columns=tuple(numbers)),
            TensorSpec(name="categorical", datatype=DataType.BYTES, shape=(-1, len(texts)), columns=tuple(texts)),
        ),
        outputs=_outputs(source),
    )
    reference = _part(source, before, numbers, texts, [row[source.target] for row in before])
    return signature, reference, _part(source, later, numbers, texts, [truths[row["id"]] for row in later])


def _outputs(source: Source) -> tuple[TensorSpec, ...]:
    if not source.scores:
        return (TensorSpec(name="prediction", datatype=DataType.FP32, shape=(-1,)),)
    shape = (-1, len(source.classes))
    return (
        TensorSpec(name="label", datatype=DataType.BYTES, shape=(-1,)),
        TensorSpec(name="probabilities", datatype=DataType.FP32, shape=shape, columns=source.classes),
    )


def folder() -> Path:
    """Where the CSV files are; fetches the wheel the first time."""
    data = _FOLDER / _DATA
    if not data.is_dir():
        _FOLDER.parent.mkdir(parents=True, exist_ok=True)
        wanted = _FOLDER.with_suffix(".txt")
        wanted.write_text(f"{WHEEL}\n")
        find = [sys.executable, str(REPOSITORY / "scripts" / "get_uv.py")]
        uv = subprocess.run(find, capture_output=True, text=True, check=True).stdout.strip()
        install = [uv, "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:", "--require-hashes"]
        subprocess.run([*install, "-r", str(wanted), "--target", str(_FOLDER)], check=True, timeout=300)
    return data


def _rows(file: str) -> list[dict[str, str]]:
    with (folder() / f"{file}.csv").open(newline="", encoding="utf-8") as content:
        return list(csv.DictReader(content))


def _is_number(rows: list[dict[str, str]], column: str) -> bool:
    try:
        [float(row[column]) for row in rows[:2000] if row[column]]
    except ValueError:
        return False
    return True


def _part(source: Source, rows: list[dict[str, str]], numbers: list[str], texts: list[str], truth: list[str]) -> Part:
    numeric = [[float(row[column] or "nan") for column in numbers] for row in rows]
    inputs = {
        "numeric": np.array(numeric, dtype=np.float32),
        "categorical": np.array([[row[column] for column in texts] for row in rows], dtype=object),
    }
    if not source.scores:
        predictions = np.array([float(row["y_pred"]) for row in rows], dtype=np.float32)
        return Part(inputs, {"prediction": predictions}, np.array([float(value) for value in truth]))
    scores = np.array([[float(row[column]) for column in source.scores] for row in rows], dtype=np.float32)
    if scores.shape[1] == 1:
        scores = np.concatenate([1 - scores, scores], axis=1)
    labels = np.array([row["y_pred"].removesuffix(".0") for row in rows], dtype=object)
    known = np.array([value.removesuffix(".0") for value in truth], dtype=object)  # "1.0" in one file, "1" in another
    return Part(inputs, {"label": labels, "probabilities": scores}, known)
